"""A strict authorization server on the loopback interface, for the bench.

It rotates the refresh token with each use. A spent one fetches the same pair again within `grace` seconds; after that
its use ends the whole family (RFC 9700 section 4.14.2). Its clock can be moved on, so that a window of 30 s needs no
waiting. It speaks as much HTTP as a token request needs, and notes when it committed and when it answered.
"""

import json
import secrets
import socket
import threading
import time
import urllib.parse
import urllib.request


class Server:
    def __init__(self, grace=0.0):
        self.grace = grace
        self.expires_in = 3600
        self.delay = {}  # client id: seconds before the commit, seconds between commit and answer
        self.log = []
        self.reuses = 0
        self._skipped = 0.0
        self._codes = {}
        self._refresh = {}  # token: [family, spent at, the pair that it bought]
        self._access = {}  # token: (family, end)
        self._dead = set()
        self._busy = 0
        self._state = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def now(self):
        return time.monotonic() + self._skipped

    def skip(self, seconds):
        """Moves the server's clock on."""
        with self._state:
            self._skipped += seconds

    def settle(self):
        """Waits until no request is being served: one that was on its way when its sender died included."""
        time.sleep(0.002)
        with self._state:
            if not self._state.wait_for(lambda: self._busy == 0, 30):
                raise RuntimeError("the server is still busy after 30 s")

    def consent(self, page):
        """Does what a person does at the page: grants, and follows the redirect home."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page).query))
        code = secrets.token_urlsafe(24)
        with self._state:
            self._codes[code] = query["client_id"]
        back = query["redirect_uri"] + "?" + urllib.parse.urlencode({"code": code, "state": query["state"]})
        with urllib.request.urlopen(back, timeout=20) as answer:
            answer.read()

    def refreshes(self, since=0):
        return [entry for entry in self.log[since:] if entry["grant"] == "refresh_token"]

    def is_live(self, token):
        family, end = self._access.get(token, (None, 0))
        return family is not None and family not in self._dead and end > self.now()

    def _accept(self):
        while True:
            connection, _ = self._socket.accept()
            with self._state:
                self._busy += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                connection.settimeout(20)
                form = read_form(connection)
                if form is not None:
                    self._token(connection, form)
        except OSError:
            pass
        finally:
            with self._state:
                self._busy -= 1
                self._state.notify_all()

    def _token(self, connection, form):
        entry = {"grant": form.get("grant_type"), "client": form.get("client_id"), "token": form.get("refresh_token"), "status": None}
        entry["arrived"] = time.monotonic_ns()
        self.log.append(entry)
        before, after = self.delay.get(entry["client"], self.delay.get(None, (0, 0)))
        time.sleep(before)
        with self._state:
            status, answer = self._act(form)
        entry["committed"], entry["status"] = time.monotonic_ns(), status
        time.sleep(after)
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        entry["answered"] = time.monotonic_ns()
        connection.sendall(head.encode() + body)

    def _act(self, form):
        if form.get("grant_type") == "authorization_code":
            client = self._codes.pop(form.get("code"), None)
            return (200, self._pair(secrets.token_hex(8))) if client else (400, {"error": "invalid_grant"})
        known = self._refresh.get(form.get("refresh_token"))
        if known is None or known[0] in self._dead:
            return 400, {"error": "invalid_grant"}
        family, spent, pair = known
        if spent is None:
            known[1:] = [self.now(), self._pair(family)]
            return 200, known[2]
        if self.now() - spent <= self.grace:
            return 200, pair
        self.reuses += 1
        self._dead.add(family)
        return 400, {"error": "invalid_grant"}

    def _pair(self, family):
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._refresh[refresh] = [family, None, None]
        self._access[access] = (family, self.now() + self.expires_in)
        return {"access_token": access, "token_type": "Bearer", "expires_in": self.expires_in, "refresh_token": refresh}


def read_form(connection):
    """The members of a POST; none where the sender is gone before it is whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more or len(data) > 65536:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0]):
        more = connection.recv(65536)
        if not more:
            return None
        body += more
    return dict(urllib.parse.parse_qsl(body.decode()))
