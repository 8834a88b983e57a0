#!/usr/bin/env python3
"""What a warm `token` costs, beside `cat FILE`, `secret-tool lookup` and a static C program that only writes.

All of them run by turns, so that whatever else the machine does meets them alike. Own CPU is user and system time of the
process; `with daemons` adds what bus and keyring used meanwhile.
"""

import pathlib
import subprocess
import tempfile

from server import Server
from stage import Home, arguments, compiled, launch, middle, needs, p99, table

WRITER = '#include <unistd.h>\nint main(void) { return write(1, "TEXT\\n", sizeof "TEXT\\n" - 1) < 0; }\n'
HEAD = ["program", "own CPU ms", "with daemons ms", "wall p50 ms", "wall p99 ms", "peak MiB", "system calls", "own CPU / cat", "own CPU / secret-tool"]


class Contender:
    def __init__(self, name, home, command):
        self.name, self.home, self.command = name, home, [str(word) for word in command]
        self.runs, self.daemons = [], []

    def turn(self, launcher, expected):
        before = self.home.daemons_cpu()
        run, = launch(launcher, self.home, 1, self.command)
        self.daemons.append(self.home.daemons_cpu() - before)
        if run.code != 0 or run.out.strip() == "" or expected and run.out.strip() != expected:
            raise RuntimeError(f"{self.name} ended with {run.code}: {run.err}")
        self.runs.append(run)

    def system_calls(self, scratch):
        log = pathlib.Path(scratch) / "counts"
        subprocess.run(["strace", "-f", "-c", "-qq", "-o", log, *self.command], env=self.home.env, check=True, stdout=subprocess.DEVNULL)
        # The line of the sum: share, seconds, perhaps microseconds per call, calls, perhaps errors.
        *_, total = [line.split() for line in log.read_text().splitlines() if line.endswith("total")]
        return int(total[3])

    def row(self, cat, tool, calls):
        own = middle([run.cpu for run in self.runs])
        total = own + middle(self.daemons)
        walls = [run.wall for run in self.runs]
        return [self.name, own, total, middle(walls), p99(walls), max(run.peak for run in self.runs), calls, own / cat.own(), own / tool.own()]

    def own(self):
        return middle([run.cpu for run in self.runs])


def main():
    given = arguments(__doc__, runs=200)
    needs("gcc", "strace", "secret-tool", "dbus-daemon", "gnome-keyring-daemon")
    server = Server()
    with tempfile.TemporaryDirectory() as scratch, Home(given.binary, "file") as file, Home(given.binary, "keychain") as plain, Home(given.binary, "keychain", cache=True) as cached:
        launcher = compiled(scratch, "launch")
        tokens = {}
        for home in (file, plain, cached):
            home.login(server)
            tokens[home] = home.run("token", "till").stdout.strip()
        text = pathlib.Path(scratch) / "token"
        text.write_text(tokens[file] + "\n")
        writer = Contender("static C program that only writes", file, [compiled(scratch, "writer", WRITER.replace("TEXT", tokens[file]))])
        cat = Contender("`cat FILE`", file, ["cat", text])
        tool = Contender("`secret-tool lookup`", plain, ["secret-tool", "lookup", "service", "tokenstrap", "username", "till"])
        ours = [Contender(f"`tokenstrap token`, {name}", home, home.words("token", "till")) for name, home in
                [("file store", file), ("keychain", plain), ("keychain, cache on", cached)]]
        all_of_them = [writer, cat, tool, *ours]
        for _ in range(given.runs):
            for contender in all_of_them:
                contender.turn(launcher, tokens[contender.home] if contender in ours else None)
        rows = [contender.row(cat, tool, contender.system_calls(scratch)) for contender in all_of_them]
    table("Warm path", HEAD, rows, f"medians of {given.runs} runs by turns; the binary has {given.binary.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
