#!/usr/bin/env python3
"""Faults: disk, network, signals, records and rivals fail at every step of a refresh, and the grants that are lost are counted.

Run with --only NAME[,NAME...] for single matrices: disk, cut, bits, term, statuses, waits, rivals. `stage` and `server` are the
modules that the scripts of this folder share.
"""

import email.utils
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from server import Server
from stage import LIMIT, Home, arguments, needs, say, table

FORCED = ("token", "till", "--force-refresh")
STRACE = ("strace", "-f", "-qq", "-o", "/dev/null")
WORKERS = 4


class Wire:
    """A connection that ends its answer early, or carries one header more."""

    def __init__(self, connection, server, cut):
        self.connection, self.server, self.cut, self.header = connection, server, cut, server.header

    def sendall(self, data):
        data = data.replace(b"\r\n\r\n", b"\r\n" + self.header + b"\r\n\r\n", 1) if self.header else data
        self.server.length = len(data)
        if self.cut is None or self.cut >= len(data):
            return self.connection.sendall(data)
        self.connection.sendall(data[: self.cut])
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Failing(Server):
    """The server of the bench, with answers that are cut and statuses that are ordered."""

    def __init__(self, grace=0.0):
        super().__init__(grace)
        self.cut, self.header, self.statuses, self.length = None, None, [], 0

    def _token(self, connection, form):
        cut, self.cut = self.cut, None
        super()._token(Wire(connection, self, cut), form)

    def _act(self, form):
        if self.statuses:
            return self.statuses.pop(0), {}
        return super()._act(form)


class Count:
    """Tries of one matrix and how they ended."""

    def __init__(self):
        self.tries = self.lost = self.unsaved = self.bugs = 0
        self.guard = threading.Lock()

    def add(self, lost, code):
        with self.guard:
            self.tries += 1
            self.lost += lost and code != 7
            self.unsaved += code == 7
            self.bugs += code in (1, 101)

    def row(self, fault, note=""):
        notes = [note, f"exit 7: {self.unsaved}" if self.unsaved else "", f"BUGS: {self.bugs}" if self.bugs else ""]
        return [fault, self.tries, self.lost, "; ".join(filter(None, notes))]


def is_lost(home, server):
    """Whether the grant is lost: then it is made anew for what follows."""
    reuses = server.reuses
    run = home.run(*FORCED)
    if run.returncode == 0 and server.is_live(run.stdout.strip()) and server.reuses == reuses:
        return False
    home.run("logout", "till", "--force")
    home.login(server)
    return True


def each(given, jobs, act, grace=0.0):
    """Does every job in one of a few homes."""
    waiting, guard = list(jobs), threading.Lock()

    def work(_):
        server = Failing(grace)
        with Home(given.binary, "file") as home:
            home.login(server)
            while True:
                with guard:
                    if not waiting:
                        return
                    job = waiting.pop()
                act(home, server, job)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))


def calls(given):
    """The system calls of a forced refresh: for each name one entry per call, whether it leaves the process."""
    server = Failing()
    with Home(given.binary, "file") as home:
        home.login(server)
        log = home.folder / "calls"
        home.run(*FORCED, before=("strace", "-f", "-y", "-qq", "-o", log))
        made = {}
        for name, rest in re.findall(r"^\d+ +(\w+)\((.*)", log.read_text(), re.M):
            # What wakes the program's own loop is no disk that could fail.
            made.setdefault(name, []).append("eventfd" not in rest)
    return {name: seen for name, seen in made.items() if name not in ("execve", "exit_group", "exit")}


def disk(given):
    """F-07: each write, fsync, rename and open for writing fails, once and from then on."""
    made = calls(given)
    for name in ("write", "fsync", "rename", "openat"):
        real = next((other for other in (name, f"{name}at", f"{name}at2") if other in made), name)
        for error in ("ENOSPC", "EDQUOT", "EIO", "EROFS"):
            once, on = Count(), Count()
            jobs = [(n, more) for n, leaves in enumerate(made.get(real, []), 1) for more in ("", "+") if leaves and not (more and name == "openat")]

            def fail(home, server, job):
                n, more = job
                run = home.run(*FORCED, before=(*STRACE, f"--trace={real}", f"--inject={real}:error={error}:when={n}{more}"))
                (on if more else once).add(is_lost(home, server), run.returncode)

            each(given, jobs, fail)
            yield once.row(f"F-07 `{real}` fails once with {error}")
            if on.tries:
                yield on.row(f"F-07 `{real}` fails from then on with {error}", "exit 7 where the spool is refused too")


def cut(given):
    """F-14: the answer ends with a reset after each of its bytes; the server repeats the pair within 30 s."""
    count, server = Count(), Failing()
    with Home(given.binary, "file") as home:
        home.login(server)
    length = server.length

    def end(home, server, n):
        server.cut = n
        run = home.run(*FORCED)
        count.add(run.returncode != 0 or is_lost(home, server), run.returncode)

    each(given, range(length), end, grace=30)
    yield count.row(f"F-14 answer cut after 0 to {length - 1} bytes, window of 30 s", "recovered within the same call")


def bits(given):
    """F-22: every bit of a record flipped, every truncation."""
    flips, cuts = Count(), Count()

    def damage(home, server, part):
        path = home.folder / "data/tokenstrap/grants/till.grant"
        whole = path.read_bytes()
        damaged = [(flips, whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :]) for i in range(part, len(whole), WORKERS) for bit in range(8)]
        damaged += [(cuts, whole[:i]) for i in range(part, len(whole), WORKERS)]
        for count, data in damaged:
            path.write_bytes(data)
            run = home.run("token", "till")
            # Lost would be a record that was taken, or replaced.
            count.add(run.returncode != 5 or run.stdout != "" or path.read_bytes() != data, run.returncode)
        path.write_bytes(whole)

    each(given, range(WORKERS), damage)
    yield flips.row("F-22 every bit of a record flipped", "lost: taken or overwritten")
    yield cuts.row("F-22 every truncation of a record", "lost: taken or overwritten")


def term(given):
    """F-30: SIGTERM at the n-th entry of each system call."""
    count = Count()

    def tell(home, server, job):
        name, n = job
        run = home.run(*FORCED, before=(*STRACE, f"--trace={name}", f"--inject={name}:signal=SIGTERM:when={n}"))
        count.add(is_lost(home, server), run.returncode)

    each(given, [(name, n) for name, made in calls(given).items() for n in range(1, len(made) + 1)], tell)
    yield count.row("F-30 SIGTERM at each system call")


def statuses(given):
    """F-12: so many failures in a row, from a server that rotates and promises no window."""
    for status in (500, 502, 503, 504):
        for k in range(1, 6):
            server, count = Failing(), Count()
            with Home(given.binary, "file") as home:
                home.login(server)
                home.run(*FORCED)
                server.statuses, seen = [status] * k, len(server.log)
                run = home.run(*FORCED)
                posts, server.statuses = len(server.log) - seen, []
                count.add(is_lost(home, server), run.returncode)
            yield count.row(f"F-12 {status}, {k} in a row", f"{posts} requests, exit {run.returncode}")


def waits(given):
    """F-13: shapes of Retry-After; a retry before its time is lost."""
    soon = email.utils.formatdate(time.time() + 5, usegmt=True)
    for status in (429, 503):
        for text, least in (("1", 1), ("0", 0), (soon, 2), ("7200", None), ("9" * 30, None), ("-1", None), ("soon", None)):
            server, count = Failing(), Count()
            if text == soon:
                text = email.utils.formatdate(time.time() + 5, usegmt=True)
            with Home(given.binary, "file") as home:
                home.login(server)
                server.statuses, server.header, seen = [status], f"Retry-After: {text}".encode(), len(server.log)
                run = home.run(*FORCED)
                log = server.log[seen:]
                gap = (log[1]["arrived"] - log[0]["arrived"]) / 1e9 if len(log) > 1 else None
                server.header = None
                count.add(is_lost(home, server) or gap is not None and gap < (least or 0), run.returncode)
            said = f"again after {gap:.1f} s" if gap is not None else "not again"
            yield count.row(f"F-13 {status} with Retry-After: {text[:30]}", f"{said}, exit {run.returncode}")


def rivals(given):
    """F-21: a login or a logout of another process while a refresh is held up at each step."""
    made = calls(given)
    steps = [(name, n) for name in ("connect", "recvfrom", "fsync", "rename", "renameat2", "flock", "unlink") for n in range(1, len(made.get(name, [])) + 1)]
    logins, logouts = Count(), Count()

    def race(home, server, index):
        name, n = steps[index % len(steps)]
        words = [*STRACE, f"--trace={name}", f"--inject={name}:delay_exit=60000:when={n}", *home.words(*FORCED)]
        refresh = subprocess.Popen(words, env=home.env, cwd=home.folder / "cwd", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(index % 7 * 0.01)
        if index % 2:
            home.login(server)
            refresh.wait(LIMIT)
            logins.add(is_lost(home, server), 0)
        else:
            out = home.run("logout", "till")
            refresh.wait(LIMIT)
            after = home.run("token", "till")
            logouts.add(out.returncode == 0 and after.returncode != 3, after.returncode)
            home.login(server)

    each(given, range(given.rivals), race)
    yield logins.row("F-21 login during a refresh")
    yield logouts.row("F-21 logout during a refresh", "lost: came back after it")


MATRICES = {matrix.__name__: matrix for matrix in (disk, cut, bits, term, statuses, waits, rivals)}


def main():
    given = arguments(__doc__, only=",".join(MATRICES), rivals=1000)
    needs("strace")
    rows = []
    for name in given.only.split(","):
        for row in MATRICES[name](given):
            say(row)
            rows.append(row)
    table("Faults", ["fault", "tries", "lost", "note"], rows)
    sys.exit(any(row[2] for row in rows))


if __name__ == "__main__":
    main()
