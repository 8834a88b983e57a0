#!/usr/bin/env python3
"""Storms: many processes want one token at the moment of its expiry, from a server that ends the grant on reuse."""

import time

from server import Server
from stage import STORES, Home, arguments, compiled, launch, middle, needs, p99, say, table

HEAD = ["store", "cache", "storm", "delay ms", "N", "rounds", "requests per round", "live tokens", "failures", "reuses", "grant alive",
        "wait p50 ms", "wait p99 ms", "after the winner p99 ms", "N warm calls p99 ms", "keyring aborted", "calls failed then"]


def storm(launcher, home, server, calls, rounds, words, life):
    """Rounds of one kind of storm, as the cells from `requests per round` on."""
    requests, live, failures, lost, waits, extra, warm = [], 0, [], 0, [], [], []
    reuses = server.reuses
    delay = server.delay.pop(None, (0, 0))
    for _ in range(rounds):
        server.delay.clear()
        server.expires_in = 1
        home.mend()
        begun = home.run("token", "till", "--force-refresh")
        if begun.returncode != 0 and home.mend():
            begun = home.run("token", "till", "--force-refresh")
        if begun.returncode != 0:
            failures.append(begun.stderr)
            break
        time.sleep(1.05)
        server.expires_in, server.delay[None] = life, delay
        seen = len(server.log)
        runs = launch(launcher, home, calls, home.words("token", "till", *words))
        requests.append(len(server.refreshes(seen)))
        live += sum(server.is_live(run.out.strip()) for run in runs)
        if home.mend():
            lost += sum(run.code != 0 for run in runs)
        else:
            failures += [run.err for run in runs if run.code != 0]
        waits += [run.wall for run in runs]
        winner = min([run.wall for run in runs if run.code == 0], default=0)
        extra += [run.wall - winner for run in runs if run.code == 0]
        if life > 60:
            warm += [run.wall for run in launch(launcher, home, calls, home.words("token", "till"))]
    server.delay.clear()
    home.mend()
    alive = home.run("token", "till", "--force-refresh").returncode == 0
    for text in sorted(set(failures))[:3]:
        say(f"a call failed: {text}")
    per_round = f"{sum(requests) / max(1, len(requests)):.2f}" + (f" (most {max(requests)})" if max(requests, default=0) > 1 else "")
    lived = f"{live} of {calls * rounds}" if life > 1 else "ended since"
    return [per_round, lived, len(failures), server.reuses - reuses, "yes" if alive else "NO", middle(waits or [0]), p99(waits or [0]), p99(extra or [0]),
            f"{p99(warm):.2f}" if warm else "", home.aborts, lost]


def main():
    given = arguments(__doc__, rounds=5, sizes="50,200,512", stores=",".join(STORES))
    needs("gcc", "dbus-daemon", "gnome-keyring-daemon")
    sizes = [int(size) for size in given.sizes.split(",")]
    rows = []
    for store in given.stores.split(","):
        for cache in (False, True):
            kinds = [("ended", size, [], delay, 3600) for size in sizes for delay in (0, 200)]
            kinds += [("forced", sizes[0], ["--force-refresh"], 200, 3600), ("tokens of 1 s", sizes[0], [], 0, 1)]
            for name, calls, words, delay, life in kinds:
                # A home of its own for each: a keyring that aborted spoils one row and no other.
                with Home(given.binary, store, cache) as home:
                    server = Server()
                    launcher = compiled(home.folder, "launch")
                    home.login(server)
                    server.delay[None] = (0, delay / 1000)
                    cells = storm(launcher, home, server, calls, given.rounds, words, life)
                rows.append([store, "on" if cache else "off", name, delay, calls, given.rounds, *cells])
                say(" | ".join(map(str, rows[-1])))
    table("Storms", HEAD, rows, "strict server: rotation, no grace, family ended on reuse")


if __name__ == "__main__":
    main()
