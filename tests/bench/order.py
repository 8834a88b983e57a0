#!/usr/bin/env python3
"""Writes `warm.ld`: the functions that a warm `token` calls, for the linker to lay side by side.

Builds the release binary with its names into `target/order`, runs it under valgrind once for each way a token is stored,
and names every function that ran, without the hashes that change from build to build. To be run again when the warm path
has changed; `warm.py` shows whether it was worth it.
"""

import bisect
import fnmatch
import os
import re
import subprocess

from server import Server
from stage import ROOT, Home, needs

BINARY = ROOT / "target/order/release/tokenstrap"
WAYS = (("keychain", False), ("file", False), ("file", True))
LENGTHS = (48, 80, 400)  # the shortest name that does not draw in too much
SPARE = 4000  # bytes that never run, for each function that does
HEAD = """/* Functions that a warm `token` calls, side by side in the binary. Written by tests/bench/order.py, read by build.rs. */
SECTIONS {
  .text.warm : {
"""
FOOT = """  }
}
INSERT BEFORE .text;
"""


def build():
    names = {"CARGO_PROFILE_RELEASE_STRIP": "none", "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only"}
    subprocess.run(["cargo", "build", "--release", "--locked", "--target-dir", ROOT / "target/order"], cwd=ROOT, env=os.environ | names, check=True)


def functions():
    """Start, size and name of each, by start."""
    listed = subprocess.run(["nm", "-S", "--defined-only", BINARY], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return sorted((int(row[0], 16), int(row[1], 16), row[3]) for row in rows if len(row) == 4 and row[2].lower() in "tw")


def addresses(profile):
    """Where the program ran, from callgrind's file: numbers of objects and positions are given once, then shortened."""
    objects, inside, at = {}, False, 0
    for line in profile.read_text().splitlines():
        if named := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
            objects.setdefault(named[2], named[3])
            if not named[1]:
                inside = (objects[named[2]] or "").strip() == str(BINARY)
        elif position := re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) ", line):
            step = position[1]
            if step.startswith("0x"):
                at = int(step, 16)
            elif step != "*":
                at += int(step)
            if inside:
                yield at


def ran(listed):
    """Indices of the functions that ran, in any of the ways."""
    starts, found = [start for start, _, _ in listed], set()
    for store, cache in WAYS:
        with Home(BINARY, store, cache=cache) as home:
            home.login(Server())
            profile = home.folder / "profile"
            home.run("token", "till", before=["valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={profile}"], check=True)
            for at in addresses(profile):
                index = bisect.bisect_right(starts, at) - 1
                if index >= 0 and at < starts[index] + listed[index][1]:
                    found.add(index)
    return sorted(found)


def pattern(name, length):
    """A name without its hashes."""
    name = re.sub(r"\.(llvm\.)?\d+$", "*", name)
    name = re.sub(r"17h[0-9a-f]{16}E?.*", "17h*", name)
    name = re.sub(r"Cs[0-9A-Za-z]{9,13}_(?=\d)", "Cs*_", name)
    return name if len(name) <= length else name[:length].rstrip("*") + "*"


def patterns(listed, wanted):
    """A pattern for each that ran, in the order of the binary."""
    running, chosen = {listed[index][2] for index in wanted}, {}
    for index in wanted:
        for length in LENGTHS:
            text = pattern(listed[index][2], length)
            if text not in chosen:
                fits = re.compile(fnmatch.translate(text)).match
                hits = [(name in running, size) for _, size, name in listed if fits(name)]
                spare = sum(size for runs, size in hits if not runs)
                chosen[text] = spare <= SPARE * sum(runs for runs, _ in hits)
            if chosen[text]:
                break
    return [text for text, fits in chosen.items() if fits]


def main():
    needs("valgrind", "nm", "cargo", "gcc")
    (ROOT / "warm.ld").write_text(HEAD + FOOT)  # valgrind knows the functions of one section alone
    build()
    listed = functions()
    wanted = ran(listed)
    chosen = patterns(listed, wanted)
    (ROOT / "warm.ld").write_text(HEAD + "".join(f"    *(.text.{text})\n" for text in chosen) + FOOT)
    print(f"{len(wanted)} of {len(listed)} functions ran, {sum(listed[index][1] for index in wanted) // 1024} KiB; {len(chosen)} lines are in warm.ld")


if __name__ == "__main__":
    main()
