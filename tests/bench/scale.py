#!/usr/bin/env python3
"""One profile, a hundred, ten thousand: `token`, a refresh and `list` with the file store.

The profiles are copies of one login, written by `examples/many_profiles.rs`.
"""

import subprocess

from server import Server
from stage import ROOT, Home, arguments, compiled, launch, middle, needs, table

HEAD = ["profiles", "`token` CPU ms", "wall ms", "peak MiB", "refresh wall ms", "`list` wall ms", "`list` CPU ms", "`list` peak MiB"]


def medians(launcher, home, runs, *words):
    measured = [launch(launcher, home, 1, home.words(*words))[0] for _ in range(runs)]
    if any(run.code for run in measured):
        raise RuntimeError(measured[0].err)
    return middle([run.cpu for run in measured]), middle([run.wall for run in measured]), max(run.peak for run in measured), measured[0].out


def main():
    given = arguments(__doc__, runs=50, sizes="1,100,10000")
    needs("gcc", "cargo")
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--example", "many_profiles"], cwd=ROOT, check=True)
    rows = []
    with Home(given.binary, "file") as home:
        server = Server()
        launcher = compiled(home.folder, "launch")
        home.login(server)
        made = 1
        for size in map(int, given.sizes.split(",")):
            if size > made:
                subprocess.run([ROOT / "target/debug/examples/many_profiles", "till", str(made), str(size)], env=home.env, check=True)
                made = size
            cpu, wall, peak, _ = medians(launcher, home, given.runs, "token", "till")
            _, refreshed, _, _ = medians(launcher, home, given.runs, "token", "till", "--force-refresh")
            list_cpu, list_wall, list_peak, text = medians(launcher, home, max(5, given.runs // 10), "list")
            if len(text.splitlines()) != size + 1:
                raise RuntimeError(f"{len(text.splitlines()) - 1} profiles are listed")
            rows.append([size, cpu, wall, peak, refreshed, list_wall, list_cpu, list_peak])
    table("Scale, file store", HEAD, rows, "medians")


if __name__ == "__main__":
    main()
