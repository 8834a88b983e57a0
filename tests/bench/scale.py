#!/usr/bin/env python3
"""Many profiles: what `token` and `list` cost with 1, 100 and 10,000 of them in the file store."""

import subprocess

from stage import ROOT, Home, arguments, compiled, launch, middle, needs, p99, table

HEAD = ["profiles", "`token` own CPU ms", "`token` wall p50 ms", "`token` peak MiB", "`list` wall p50 ms", "`list` wall p99 ms", "`list` peak MiB"]


def main():
    given = arguments(__doc__, runs=50, sizes="1,100,10000")
    needs("gcc", "cargo")
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--example", "many_profiles"], cwd=ROOT, check=True)
    metadata = subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], cwd=ROOT, capture_output=True, text=True, check=True)
    target = __import__("json").loads(metadata.stdout)["target_directory"]
    rows = []
    for size in map(int, given.sizes.split(",")):
        with Home(given.binary, "file") as home:
            subprocess.run([f"{target}/debug/examples/many_profiles", str(size)], env=home.env, check=True, timeout=600)
            launcher = compiled(home.folder, "launch")
            cells = [size]
            for words in (["token", "till-1"], ["list"]):
                runs = [launch(launcher, home, 1, home.words(*words))[0] for _ in range(given.runs)]
                if any(run.code != 0 for run in runs):
                    raise RuntimeError(runs[0].err)
                wall = [run.wall for run in runs]
                if words[0] == "token":
                    cells += [sum(run.cpu for run in runs) / len(runs), middle(wall)]
                else:
                    cells += [middle(wall), p99(wall)]
                cells.append(middle([run.peak for run in runs]))
            rows.append(cells)
    table("Scale", HEAD, rows, f"{given.runs} runs each")


if __name__ == "__main__":
    main()
