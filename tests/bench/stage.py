"""What the scripts of the bench share: a home, a keychain, the program under test, and the way to print figures.

Nothing outside a temporary folder is read or written, and only processes that were started here are ended.
"""

import argparse
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT = 60  # seconds after which one call of anything is a hang
KEY = "481c75b0ef34e83ef83c4a83f43e26a51adc00f34574ea3d72bcce0c7a20b728"  # 32 random bytes that protect nothing
STORES = ("file", "keychain")


def arguments(description, **numbers):
    """The binary, and numbers with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/tokenstrap", help="the program to measure")
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    given.binary = given.binary.resolve()
    if not given.binary.exists():
        parser.error(f"{given.binary} is not there: run `cargo build --release --locked`")
    return given


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")


def compiled(folder, name, text=None):
    """A small C program, from this folder or from a text."""
    source, program = HERE / f"{name}.c", pathlib.Path(folder) / name
    if text is not None:
        source = pathlib.Path(folder) / f"{name}.c"
        source.write_text(text)
    subprocess.run(["gcc", "-O2", "-static", "-o", program, source], check=True)
    return program


class Home:
    """A home of its own; with `keychain`, a session bus and an unlocked GNOME Keyring of its own too."""

    def __init__(self, binary, store, cache=False, keychain=None):
        self.binary, self.store = binary, store
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tokenstrap-bench-"))
        self.daemons = {}
        self.aborts = 0
        places = {"HOME": "home", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run"}
        for place in [*places.values(), "cwd"]:
            (self.folder / place).mkdir(mode=0o700)
        self.env = {name: str(self.folder / place) for name, place in places.items()}
        self.env |= {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "TOKENSTRAP_KEY": KEY, "BENCH_SECRET": "secret of the bench"}
        settings = self.folder / "config/tokenstrap"
        settings.mkdir(mode=0o700)
        (settings / "config.toml").write_text(f'store = "{store}"\naccess_token_cache = {str(cache).lower()}\n')
        os.chmod(settings / "config.toml", 0o600)
        if store == "keychain" if keychain is None else keychain:
            try:
                self._start_keychain()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for daemon in reversed(list(self.daemons.values())):
            daemon.kill()
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_keychain(self):
        (self.folder / "bus.conf").write_text(bus_settings(self.folder / "run/bus"))
        bus = ["dbus-daemon", "--nofork", "--nosyslog", "--print-address=1", f"--config-file={self.folder}/bus.conf"]
        quiet = {"env": self.env, "stderr": subprocess.DEVNULL}
        self.daemons["dbus-daemon"] = subprocess.Popen(bus, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **quiet)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = self.daemons["dbus-daemon"].stdout.readline().decode().strip()
        self._start_keyring()

    def _start_keyring(self):
        keyring = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
        daemon = subprocess.Popen(keyring, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)
        self.daemons["gnome-keyring-daemon"] = daemon
        daemon.stdin.write(b"password of the bench")
        daemon.stdin.close()
        ask = ["dbus-send", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets/aliases/default"]
        ask += ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.Secret.Collection", "string:Locked"]
        end = time.monotonic() + 20
        while b"boolean false" not in subprocess.run(ask, env=self.env, capture_output=True).stdout:
            if time.monotonic() > end:
                raise RuntimeError("the keyring did not come up")

    def mend(self):
        """Starts the keyring again where it has aborted, as it does now and then; says whether it had."""
        daemon = self.daemons.get("gnome-keyring-daemon")
        if daemon is None or daemon.poll() is None:
            return False
        self.aborts += 1
        self._start_keyring()
        return True

    def words(self, *words):
        return [str(self.binary), *words]

    def run(self, *words, before=(), **more):
        """One call of the program to its end."""
        command = [*map(str, before), *self.words(*words)]
        return subprocess.run(command, env=self.env, cwd=self.folder / "cwd", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, **more)

    def login(self, server, profile="till", client="till"):
        words = ["login", profile, "--no-browser", "--replace", "--client-id", client, "--client-secret-env", "BENCH_SECRET"]
        words += ["--client-auth", "post", "--auth-url", server.url("/authorize"), "--token-url", server.url("/token")]
        login = subprocess.Popen(self.words(*words), env=self.env, cwd=self.folder / "cwd", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        guard = threading.Timer(LIMIT, login.kill)
        guard.start()
        try:
            said = []
            for line in login.stderr:
                said.append(line)
                if page := re.search(r"http://\S+/authorize\?\S+", line):
                    server.consent(page.group())
            if login.wait() != 0:
                raise RuntimeError("the login failed:\n" + "".join(said))
        finally:
            guard.cancel()
            login.kill()
            login.wait()

    def daemons_cpu(self):
        """CPU that the daemons have used, in milliseconds."""
        total = 0
        for daemon in self.daemons.values():
            for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e6


def bus_settings(address):
    """The session bus of this system, its limits included, without the services that it would start by itself."""
    system = pathlib.Path("/usr/share/dbus-1/session.conf").read_text()
    for element in ("standard_session_servicedirs", "include", "includedir", "listen"):
        system = re.sub(rf"<{element}[^>]*/>|<{element}[^>]*>[^<]*</{element}>", "", system)
    return system.replace("</busconfig>", f"<listen>unix:path={address}</listen></busconfig>")


class Run:
    """What `launch` says of one run."""

    def __init__(self, line, folder):
        number, status, wall, cpu, peak = map(int, line.split())
        self.code = os.waitstatus_to_exitcode(status)
        self.wall, self.cpu, self.peak = wall / 1e6, cpu / 1e3, peak / 1024  # ms, ms, MiB
        self.out = (folder / f"{number}.out").read_text(errors="replace")
        self.err = (folder / f"{number}.err").read_text(errors="replace")


def launch(launcher, home, count, command):
    """So many runs of a command at one moment, in the order in which they end."""
    with tempfile.TemporaryDirectory(dir=home.folder) as scratch:
        words = [str(launcher), str(count), scratch, *map(str, command)]
        with subprocess.Popen(words, env=home.env, cwd=home.folder / "cwd", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            try:
                lines, _ = process.communicate(timeout=LIMIT * 2)
            except BaseException:
                # The group is the launcher's own: it and what it started, nobody else.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return [Run(line, pathlib.Path(scratch)) for line in lines.splitlines()]


def middle(values):
    return statistics.median(values)


def p99(values):
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    name = model.group(1) if model else platform.machine()
    return f"{os.cpu_count()} x {name}, Linux {platform.release().split('-')[0]}, load {os.getloadavg()[0]:.1f}"


def say(text):
    """Progress, for who watches."""
    print(text, file=sys.stderr, flush=True)


def table(title, head, rows, note=""):
    """A table, ready to paste."""
    print(f"\n{title} ({machine()}{'; ' + note if note else ''})\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    sys.stdout.flush()
