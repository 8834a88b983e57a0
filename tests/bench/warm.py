#!/usr/bin/env python3
"""The warm path: a stored token is printed, beside `cat FILE`, `secret-tool lookup` and a program that only writes."""

import subprocess

from server import Server
from stage import Home, arguments, compiled, launch, middle, needs, p99, table

ONLY_WRITES = "#include <unistd.h>\nint main(void) { return write(1, \"0123456789012345678901234567890123456789\\n\", 41) != 41; }\n"
HEAD = ["command", "own CPU ms", "CPU with daemons ms", "wall p50 ms", "wall p99 ms", "peak MiB", "system calls", "CPU : cat", "wall : cat"]


def system_calls(home, command):
    """How many system calls one run makes, its own start included."""
    traced = subprocess.run(["strace", "-f", "-qq", "-o", home.folder / "trace", *map(str, command)], env=home.env, cwd=home.folder / "cwd", capture_output=True, timeout=30)
    if traced.returncode != 0:
        raise RuntimeError(traced.stderr.decode())
    return sum(1 for line in (home.folder / "trace").read_text().splitlines() if "(" in line)


def main():
    given = arguments(__doc__, runs=300)
    needs("gcc", "strace", "dbus-daemon", "gnome-keyring-daemon", "secret-tool")
    server = Server()
    homes = {name: Home(given.binary, store, cache) for name, store, cache in [("file", "file", False), ("file, cache", "file", True), ("keychain", "keychain", False), ("keychain, cache", "keychain", True)]}
    try:
        for home in homes.values():
            home.login(server)
        keychain = homes["keychain"]
        launcher, writes = compiled(keychain.folder, "launch"), compiled(keychain.folder, "writes", ONLY_WRITES)
        (keychain.folder / "token").write_text("0123456789012345678901234567890123456789\n")
        commands = {f"`token`, {name}": (home, home.words("token", "till")) for name, home in homes.items()}
        commands["`cat FILE`"] = (keychain, ["cat", keychain.folder / "token"])
        commands["`secret-tool lookup`"] = (keychain, ["secret-tool", "lookup", "service", "tokenstrap", "username", "till"])
        commands["a static program that only writes"] = (keychain, [writes])
        seen = {name: [] for name in commands}
        for _ in range(given.runs):
            for name, (home, command) in commands.items():
                before = home.daemons_cpu()
                [run] = launch(launcher, home, 1, command)
                if run.code != 0:
                    raise RuntimeError(f"{name}: {run.err}")
                seen[name].append((run, home.daemons_cpu() - before))
        # The kernel counts CPU in steps, so a median of many short runs would be one of the steps: the mean tells more.
        cpu = {name: sum(run.cpu for run, _ in runs) / len(runs) for name, runs in seen.items()}
        daemons = {name: sum(used for _, used in runs) / len(runs) for name, runs in seen.items()}
        wall = {name: middle([run.wall for run, _ in runs]) for name, runs in seen.items()}
        rows = []
        for name, (home, command) in commands.items():
            runs = [run for run, _ in seen[name]]
            ratio = [f"{cpu[name] / cpu['`cat FILE`']:.1f}", f"{wall[name] / wall['`cat FILE`']:.1f}"]
            rows.append([name, cpu[name], cpu[name] + daemons[name], wall[name], p99([run.wall for run in runs]), middle([run.peak for run in runs]), system_calls(home, command), *ratio])
        size = given.binary.stat().st_size / 1e6
        table("The warm path", HEAD, rows, f"{given.runs} runs of each in turn; CPU is a mean, the rest medians; the binary has {size:.1f} MB")
        share = wall["`token`, keychain"] / wall["`secret-tool lookup`"]
        print(f"\n`token` with the keychain takes {share:.2f} of the time of `secret-tool lookup`, and {cpu['`token`, keychain'] / cpu['`secret-tool lookup`']:.2f} of its CPU.")
    finally:
        for home in homes.values():
            home.close()


if __name__ == "__main__":
    main()
