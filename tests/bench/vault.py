#!/usr/bin/env python3
"""Two hosts with one vault of three servers: storms at the moment of expiry, the leading server killed in the middle too,
and what a warm `token` of that vault costs beside one of the file store.

The hosts share a home, as over a network, and nothing else: each has a mount namespace with a state folder of its own, so
that no lock is shared, and the access-token cache is off. Each asks a server that does not lead. The authorization server
ends a grant whose spent refresh token comes again. Taken again by

    cargo build --release --locked && tests/bench/vault.py --rounds 20 --runs 500
"""

import os
import pathlib
import subprocess
import tempfile
import threading
import time

from cluster import Cluster, until
from server import Server
from stage import Home, arguments, compiled, middle, p99, say, table
from warm import Contender

STORMS = ["vault", "storm", "hosts x N", "rounds", "requests per round", "served", "grants lost", "reuses", "wait p50 ms", "wait p99 ms", "longest wait ms"]
WARM = ["program", "own CPU ms", "wall p50 ms", "wall p99 ms", "system calls"]
MOUNT = 'mount -t tmpfs -o mode=0700 state "$XDG_STATE_HOME" && echo mounted && exec cat'


class Host:
    """One of two machines that share a home."""

    def __init__(self, home):
        self.home, self.address = home, ""
        flags = [] if os.geteuid() == 0 else ["--map-root-user"]
        quiet = {"env": home.env, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.namespace = subprocess.Popen(["unshare", "--mount", *flags, "sh", "-euc", MOUNT], text=True, **quiet)
        self.is_real = self.namespace.stdout.readline() == "mounted\n"
        if self.is_real:
            further = ["--user", "--preserve-credentials"] if flags else []
            self.before = ["nsenter", "--target", self.namespace.pid, "--mount", *further, "env"]
        else:
            state = tempfile.mkdtemp(prefix="state-", dir=home.folder)
            self.before = ["env", f"XDG_STATE_HOME={state}"]

    def run(self, *words):
        return self.home.run(*words, before=[*self.before, f"VAULT_ADDR={self.address}"])

    def close(self):
        self.namespace.kill()
        self.namespace.wait()


def storm(hosts, calls, at_once):
    """Starts all at once; gives (wait in ms, how it ended) of each."""
    runs, threads, gate = [], [], threading.Barrier(len(hosts) * calls + 1)

    def one(host):
        gate.wait()
        began = time.monotonic()
        done = host.run("token", "till")
        runs.append(((time.monotonic() - began) * 1000, done))

    for number in range(len(hosts) * calls):
        threads.append(threading.Thread(target=one, args=(hosts[number % len(hosts)],)))
        threads[-1].start()
    gate.wait()
    at_once()
    for thread in threads:
        thread.join()
    return runs


class Stage:
    """Both hosts, the vault, and the authorization server."""

    def __init__(self, home, cluster, given):
        self.home, self.cluster, self.given, self.server = home, cluster, given, Server()
        self.hosts = [Host(home), Host(home)]
        self.aim()
        home.env |= {"VAULT_TOKEN": cluster.root, "VAULT_ADDR": cluster.address(0)}
        home.login(self.server)

    def close(self):
        for host in self.hosts:
            host.close()

    def aim(self):
        """Lets each host ask a server that does not lead; gives the one that does."""
        leader = self.cluster.leader()
        for host, node in zip(self.hosts, [number for number in range(3) if number != leader]):
            host.address = self.cluster.address(node)
        self.home.env["VAULT_ADDR"] = self.cluster.address(leader)
        return leader

    def expire(self):
        """Whether the grant is alive: it is refreshed for a token that ends at once; a dead one is replaced."""
        self.server.delay.clear()
        self.server.expires_in = 1
        alive = self.hosts[0].run("token", "till", "--force-refresh")
        if alive.returncode != 0:
            say(f"a grant was lost: {alive.stderr.strip()}")
            self.home.login(self.server)
        time.sleep(1.05)
        self.server.expires_in, self.server.delay[None] = 3600, (0, self.given.delay / 1000)
        return alive.returncode == 0

    def rounds(self, kind):
        waits, requests, served, lost, reuses = [], [], 0, 0, self.server.reuses
        self.aim()
        self.expire()
        for _ in range(self.given.rounds):
            leader, seen = self.aim(), len(self.server.log)

            def kill():
                if kind == "leader killed":
                    until("a refresh", lambda: self.server.refreshes(seen))
                    self.cluster.kill(leader)

            for wait, run in storm(self.hosts, self.given.calls, kill):
                waits.append(wait)
                if run.returncode == 0 and self.server.is_live(run.stdout.strip()):
                    served += 1
                else:
                    say(f"a call failed after {wait:.0f} ms: {run.stderr.strip()}")
            requests.append(len(self.server.refreshes(seen)))
            if kind == "leader killed":
                self.cluster.revive(leader)
                self.aim()
            lost += not self.expire()
        per_round = f"{sum(requests) / self.given.rounds:.2f} (most {max(requests)})"
        figures = [per_round, f"{served} of {len(waits)}", lost, self.server.reuses - reuses, middle(waits), p99(waits), max(waits)]
        name = f"three servers, multiplier {self.given.multiplier}"
        return [name, kind, f"2 x {self.given.calls}", self.given.rounds, *figures]


def storms(cluster, given):
    with Home(given.binary, "vault", keychain=False) as home:
        stage = Stage(home, cluster, given)
        try:
            rows = [stage.rounds(kind) for kind in ("ended", "leader killed")]
        finally:
            stage.close()
        own = "state folders in mount namespaces of their own" if all(host.is_real for host in stage.hosts) else "no mount namespaces here: state folders of their own stand in"
    table("Storms of two hosts with one vault", STORMS, rows, own)


def warm(cluster, given):
    """Calls by turns, so that whatever else the machine does meets them alike."""
    server, leader = Server(), cluster.leader()
    with tempfile.TemporaryDirectory() as scratch, Home(given.binary, "file") as file, Home(given.binary, "vault", cache=True) as cached, Home(given.binary, "vault") as plain:
        launcher, contenders = compiled(scratch, "launch"), {}
        for name, home in [("file store", file), ("vault, cache on", cached), ("vault, cache off", plain)]:
            home.env |= {"VAULT_TOKEN": cluster.root, "VAULT_ADDR": cluster.address(leader)}
            # All homes write to one vault.
            profile = pathlib.Path(home.folder).name
            home.login(server, profile=profile)
            contender = Contender(f"`tokenstrap token`, {name}", home, home.words("token", profile))
            contenders[contender] = home.run("token", profile).stdout.strip()
        for _ in range(given.runs):
            for contender, token in contenders.items():
                contender.turn(launcher, token)
        rows = []
        for contender in contenders:
            walls = [run.wall for run in contender.runs]
            rows.append([contender.name, contender.own(), middle(walls), p99(walls), contender.system_calls(scratch)])
    table("A warm `token` from a vault", WARM, rows, f"medians of {given.runs} runs by turns")


def main():
    given = arguments(__doc__, rounds=5, calls=20, delay=300, multiplier=1, runs=200)
    cluster = Cluster(given.multiplier)
    try:
        storms(cluster, given)
        warm(cluster, given)
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
