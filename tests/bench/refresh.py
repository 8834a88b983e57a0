#!/usr/bin/env python3
"""What an ended token costs: noticed, refreshed at a loopback server, saved and printed. And what is not loaded for it.

The server answers at once; its CPU is not counted. With a trace of every file that is opened: no certificate and no
shared object of a TLS library where the server speaks http on this machine.
"""

import re

from server import Server
from stage import STORES, Home, arguments, compiled, launch, middle, needs, p99, table

HEAD = ["store", "N", "own CPU ms", "with daemons ms", "wall p50 ms", "wall p99 ms", "peak MiB", "files opened", "of them TLS"]
TLS = re.compile(r"/etc/ssl|/etc/pki|ca-cert|\.pem|\.crt|libssl|libcrypto|libgnutls")


def main():
    given = arguments(__doc__, runs=100, stores=",".join(STORES))
    needs("gcc", "strace", "dbus-daemon", "gnome-keyring-daemon")
    rows = []
    for store in given.stores.split(","):
        with Home(given.binary, store) as home:
            server = Server()
            # Below --min-ttl, so that every call refreshes.
            server.expires_in = 30
            launcher = compiled(home.folder, "launch")
            home.login(server)
            runs, daemons, seen = [], [], len(server.log)
            for _ in range(given.runs):
                before = home.daemons_cpu()
                runs += launch(launcher, home, 1, home.words("token", "till"))
                daemons.append(home.daemons_cpu() - before)
            if any(run.code for run in runs) or len(server.refreshes(seen)) != given.runs:
                raise RuntimeError("a call failed or did not refresh")
            log = home.folder / "opened"
            home.run("token", "till", before=["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", log])
            opened = [line for line in log.read_text().splitlines() if '"' in line and "ENOENT" not in line]
            own, walls = middle([run.cpu for run in runs]), [run.wall for run in runs]
            rows.append([store, given.runs, own, own + middle(daemons), middle(walls), p99(walls), max(run.peak for run in runs), len(opened), sum(bool(TLS.search(line)) for line in opened)])
    table("Refresh of an ended token", HEAD, rows)


if __name__ == "__main__":
    main()
