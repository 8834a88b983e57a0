#!/usr/bin/env python3
"""The unsafe window U: from the last byte of the server's answer to the durable write.

The server notes the time right before it writes the answer, so that the window is measured too long rather than too
short; inotify tells when the new record has its name (from then on no kill loses it), and with the file store when the
note of the refresh is removed, which comes after the record and its folder are on the disk (from then on no power cut
loses it). The keychain's note stays, void, and the one write after the answer is the record.
"""

import ctypes
import os
import pathlib
import queue
import struct
import threading
import time

from server import Server
from stage import STORES, Home, arguments, middle, needs, p99, table

MOVED_TO, DELETE = 0x80, 0x200


class Watch:
    """Notes when a file of a folder gets its name or is removed."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(folder), MOVED_TO | DELETE) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self.events = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while data := os.read(self._descriptor, 65536):
            at = time.monotonic_ns()
            while data:
                _, mask, _, length = struct.unpack_from("iIII", data)
                name = data[16 : 16 + length].rstrip(b"\0").decode(errors="replace")
                data = data[16 + length :]
                self.events.put((at, mask, name))

    def taken(self):
        events = []
        while not self.events.empty():
            events.append(self.events.get())
        return events


def window(home, server, watch, store):
    """Milliseconds from the answer to the record's name, and with the file store to the removal of the note."""
    watch.taken()
    call = home.run("token", "till", "--force-refresh")
    time.sleep(0.01)
    if call.returncode != 0:
        raise RuntimeError(call.stderr)
    answered = server.log[-1]["answered"]
    after = [event for event in watch.taken() if event[0] > answered]
    if store == "file":
        named = [at for at, mask, name in after if mask & MOVED_TO and name == "till.grant"]
        cleared = [at for at, mask, name in after if mask & DELETE and name == "till.intent"]
        ends = [named[0], cleared[0]]
    else:
        # The last one: on a busy machine the note's own, which comes before the answer, may be seen after it.
        ends = [at for at, mask, _ in after if mask & MOVED_TO][-1:]
    return [(end - answered) / 1e6 for end in ends]


def main():
    given = arguments(__doc__, runs=200, stores=",".join(STORES))
    needs("dbus-daemon", "gnome-keyring-daemon")
    rows = []
    for store in given.stores.split(","):
        with Home(given.binary, store) as home:
            server = Server()
            home.login(server)
            data = pathlib.Path(home.env["XDG_DATA_HOME"])
            watch = Watch(data / "tokenstrap/grants" if store == "file" else data / "keyrings")
            # The first refresh after a login makes the note; from then on it is written over.
            home.run("token", "till", "--force-refresh")
            measured = [window(home, server, watch, store) for _ in range(given.runs)]
            for name, values in zip(("new record in place", "note removed"), zip(*measured)):
                rows.append([store, name, given.runs, middle(values), p99(values), max(values)])
    table("Unsafe window U", ["store", "up to", "N", "median ms", "p99 ms", "most ms"], rows, "from the moment the server writes its answer")


if __name__ == "__main__":
    main()
