#!/usr/bin/env python3
"""A refresh: what it costs, and how long the new refresh token is in memory alone.

The unsafe window is bounded from above: it is counted from the moment before the server writes its answer to the end of
the program, which comes after the durable write, the print and the farewell.
"""

import subprocess

from server import Server
from stage import STORES, Home, arguments, compiled, launch, middle, needs, p99, table

HEAD = ["store", "own CPU ms", "CPU with daemons ms", "wall p50 ms", "wall p99 ms", "peak MiB", "unsafe window p50 ms, at most", "p99 ms, at most"]
FOREIGN = ("/etc/ssl", "/usr/share/ca-certificates", "resolv.conf", "libssl", "libcrypto")


def main():
    given = arguments(__doc__, runs=200)
    needs("gcc", "strace", "dbus-daemon", "gnome-keyring-daemon")
    rows = []
    for store in STORES:
        with Home(given.binary, store) as home:
            server, launcher = Server(), compiled(home.folder, "launch")
            home.login(server)
            runs, daemons, windows = [], [], []
            for _ in range(given.runs):
                before, seen = home.daemons_cpu(), len(server.log)
                [run] = launch(launcher, home, 1, home.words("token", "till", "--force-refresh"))
                if run.code != 0:
                    raise RuntimeError(run.err)
                runs.append(run)
                daemons.append(home.daemons_cpu() - before)
                windows.append((run.ended - server.refreshes(seen)[-1]["answered"]) / 1e6)
            cpu = sum(run.cpu for run in runs) / len(runs)
            wall = [run.wall for run in runs]
            rows.append([store, cpu, cpu + sum(daemons) / len(daemons), middle(wall), p99(wall), middle([run.peak for run in runs]), middle(windows), p99(windows)])
            trace = home.folder / "trace"
            subprocess.run(["strace", "-f", "-qq", "-e", "trace=openat", "-o", trace, *home.words("token", "till", "--force-refresh")], env=home.env, cwd=home.folder / "cwd", capture_output=True, timeout=60, check=True)
            opened = [line for line in trace.read_text().splitlines() if any(name in line for name in FOREIGN)]
            if opened:
                raise RuntimeError("a refresh over http on this machine opened " + "; ".join(opened))
    table("Refresh", HEAD, rows, f"{given.runs} forced refreshes, server on the loopback interface; no certificate and no resolver file is opened")


if __name__ == "__main__":
    main()
