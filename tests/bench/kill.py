#!/usr/bin/env python3
"""The kill matrix: a forced refresh dies by SIGKILL at the entry of each of its system calls in turn.

The next forced call comes when the server's clock has gone on by 1 s, to one second before the end of its window, and to
one second after it. A kill is recovered where that call prints a live token.
"""

import subprocess

from server import Server
from stage import STORES, Home, arguments, compiled, needs, say, table

WINDOW = 30
HEAD = ["store", "server", "next call after", "kills", "recovered", "lost", "lost before the commit", "calls of the window"]
SERVERS = [("30 s window", WINDOW, 1), ("30 s window", WINDOW, WINDOW - 1), ("30 s window", WINDOW, WINDOW + 1), ("strict", 0, 1)]


def killed(killer, home, number, words):
    """One call that dies at its n-th system call; whether it did not end before."""
    command = [killer, str(number), home.folder / "calls", *home.words(*words)]
    return subprocess.run(command, env=home.env, cwd=home.folder / "cwd", stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 0


def matrix(killer, home, server, wait, step):
    """A row: kills, recovered, lost, of these before the server's commit, and the length of the window in system calls."""
    kills, lost, early, number = 0, [], 0, 0
    while True:
        number += step
        seen = len(server.log)
        if not killed(killer, home, number, ["token", "till", "--force-refresh"]):
            return kills, kills - len(lost), len(lost), early, f"{lost[0]} to {lost[-1]} of {number}" if lost else "none"
        kills += 1
        server.settle()
        committed = any(entry["status"] == 200 for entry in server.refreshes(seen))
        server.skip(wait)
        after = home.run("token", "till", "--force-refresh")
        if after.returncode != 0 or not server.is_live(after.stdout.strip()):
            lost.append(number)
            early += not committed
            home.login(server)


def main():
    given = arguments(__doc__, stores=",".join(STORES), step=1)
    needs("gcc", "dbus-daemon", "gnome-keyring-daemon")
    rows = []
    for store in given.stores.split(","):
        for name, grace, wait in SERVERS:
            with Home(given.binary, store) as home:
                server, killer = Server(grace), compiled(home.folder, "killat")
                home.login(server)
                rows.append([store, name, f"{wait} s", *matrix(killer, home, server, wait, given.step)])
                say(" | ".join(map(str, rows[-1])))
    table("Kill matrix", HEAD, rows, "each system call of a forced refresh" if given.step == 1 else f"every {given.step}th system call")


if __name__ == "__main__":
    main()
