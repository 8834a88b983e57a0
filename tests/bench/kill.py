#!/usr/bin/env python3
"""Kills a forced refresh at the entry of every system call, and at random times (RELIABILITY F-04 and F-05).

The next call comes one second, 29 s and 31 s later by the server's clock, which replays for 30 s or, when strict, not
at all. A grant is lost where that next call cannot refresh. `inside U` counts the lost ones whose refresh the server had
committed before the next call: a loss outside of it would be a defect of the program.
"""

import collections
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import threading
import time

from server import Server
from stage import STORES, Home, arguments, compiled, needs, say, table

WINDOW = 30


class Tally:
    def __init__(self):
        self.kills = self.recovered = self.inside = self.late = 0
        self.where = []

    def lost(self):
        return self.kills - self.recovered

    def count(self, recovered, committed, where):
        self.kills += 1
        if recovered:
            self.recovered += 1
        else:
            self.inside += committed
            self.where.append(where)


def recovers(home, server, profile="till", client="till"):
    """The next plain call refreshes, since tokens live shorter than --min-ttl; else a new login mends it for the next try."""
    home.mend()
    seen = len(server.log)
    call = home.run("token", profile)
    if home.mend():
        call = home.run("token", profile)
    asked = [entry for entry in server.refreshes(seen) if entry["client"] == client]
    good = call.returncode == 0 and server.is_live(call.stdout.strip()) and bool(asked) and asked[-1]["status"] == 200
    if not good:
        say(f"lost: exit {call.returncode}: {' / '.join(call.stderr.splitlines()[:2])}")
        home.login(server, profile, client)
    return good


def names():
    """The names of the system calls by their numbers."""
    for header in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h"):
        if pathlib.Path(header).exists():
            return {int(number): name for name, number in re.findall(r"#define __NR\w*?_(\w+) (\d+)", pathlib.Path(header).read_text())}
    return {}


def matrix(killat, store, grace, later, step):
    """One kill at every system call; gives the tally and how many calls there are."""
    tally, server, known = Tally(), Server(grace), names()
    server.expires_in = 30
    with Home(killat[0], store) as home:
        log = home.folder / "calls"
        home.login(server)

        def killed_at(number):
            ended = home.run("token", "till", "--force-refresh", before=[killat[1], number, log]).returncode
            return ended == 0, [known.get(int(line), line) for line in log.read_text().split()]

        _, calls = killed_at(0)
        for number in range(1, len(calls) + 1, step):
            seen = len(server.log)
            killed, made = killed_at(number)
            server.settle()
            if not killed:
                tally.late += 1
                continue
            committed = any(entry["status"] == 200 for entry in server.refreshes(seen))
            server.skip(later)
            tally.count(recovers(home, server), committed, f"{number} {made[-1]}")
        if home.aborts:
            say(f"the keyring aborted {home.aborts} times and was started again")
    return tally, calls


def at_random(binary, store, grace, runs, workers):
    """Kills after U(0, 400 ms), while the server takes up to 300 ms."""
    tally, server, lock = Tally(), Server(grace), threading.Lock()
    server.expires_in = 30
    with Home(binary, store) as home:
        clients = [f"till-{number}" for number in range(workers)]
        for client in clients:
            home.login(server, client, client)

        def work(client):
            dice = random.Random(client)
            for _ in range(runs // workers):
                server.delay[client] = dice.uniform(0, 0.15), dice.uniform(0, 0.15)
                seen = len(server.log)
                words = home.words("token", client, "--force-refresh")
                call = subprocess.Popen(words, env=home.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(dice.uniform(0, 0.4))
                call.send_signal(signal.SIGKILL)
                killed = call.wait() == -signal.SIGKILL
                # A request that was on its way is committed and answered within this time.
                time.sleep(0.35 if killed else 0)
                server.delay[client] = 0, 0
                committed = any(entry["status"] == 200 for entry in server.refreshes(seen) if entry["client"] == client)
                recovered = recovers(home, server, client, client)
                with lock:
                    if killed:
                        tally.count(recovered, committed, client)
                    else:
                        tally.late += 1

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return tally


def main():
    given = arguments(__doc__, random=400, workers=8, step=1, stores=",".join(STORES))
    needs("gcc", "dbus-daemon", "gnome-keyring-daemon")
    rows, places, chances = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        killat = given.binary, compiled(scratch, "killat")
        for store in given.stores.split(","):
            for name, grace, later in [("replays 30 s", WINDOW, 1), ("replays 30 s", WINDOW, 29), ("replays 30 s", WINDOW, 31), ("strict", 0, 1)]:
                tally, calls = matrix(killat, store, grace, later, given.step)
                rows.append([store, name, f"{later} s", len(calls), tally.kills, tally.recovered, tally.lost(), tally.inside])
                say(" | ".join(map(str, rows[-1])))
                if tally.where and not grace:
                    kinds = collections.Counter(where.split()[1] for where in tally.where)
                    places.append(f"{store}, strict: lost at the system calls {tally.where[0]} to {tally.where[-1]} ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})")
            for name, grace in [("replays 30 s", WINDOW), ("strict", 0)] if given.random else []:
                tally = at_random(given.binary, store, grace, given.random, given.workers)
                chances.append([store, name, given.random, tally.kills, tally.recovered, tally.lost(), tally.inside])
                say(" | ".join(map(str, chances[-1])))
    table("Kill at every system call of `token --force-refresh`", ["store", "server", "next call after", "system calls", "kills", "recovered", "lost", "lost inside U"], rows)
    print("\n" + "\n".join(f"* {place}" for place in places))
    if chances:
        table("Kill after U(0, 400 ms)", ["store", "server", "runs", "kills before the end", "recovered", "lost", "lost inside U"], chances, f"{given.workers} workers, server takes U(0, 300 ms)")


if __name__ == "__main__":
    main()
