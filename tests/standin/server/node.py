"""`kwbase start-single-node`: one PostgreSQL, its health page, and KWDB's signal manners."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from common import pgwire, security

from server import health, store

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD)
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    store: str
    listen: tuple[str, int]
    advertise: str
    http: tuple[str, int]
    brpc: tuple[str, int] | None
    certs_dir: str  # empty: insecure
    log_dir: str
    pid_file: str = ""


def socket_folder(port: int) -> str:
    """A folder of ours, outside the store, for PostgreSQL's local socket."""
    path = os.path.join(tempfile.gettempdir(), f".kwbase.{os.getuid()}.{port}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.lstat(path)
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not ours or found.st_mode & 0o077:
        raise store.StoreError(f"{path} exists and is not a private folder of this user")
    return path


def access_rules(secure: bool) -> str:
    """Who may connect: by certificate as root, by password as others; anybody if insecure."""
    if not secure:
        return "local all all trust\nhost all all all trust\n"
    return "local all all trust\nhostssl all root all cert\nhostssl all all all scram-sha-256\n"


def postgres_arguments(options: Options, data: str, sockets: str) -> list[str]:
    """The PostgreSQL that serves the store; nothing about this host is written into it."""
    settings = {
        "listen_addresses": options.listen[0] or "*",
        "unix_socket_directories": sockets,
        "unix_socket_permissions": "0700",
        "hba_file": os.path.join(sockets, "pg_hba.conf"),
        "fsync": "on",
        "full_page_writes": "on",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "min_wal_size": "16MB",
        "max_wal_size": "64MB",
        "shared_buffers": "32MB",
        "max_connections": "64",
        "max_parallel_workers": "0",
        "jit": "off",
        "log_line_prefix": "%m [%p] ",
        "search_path": "defaultdb,public",
        "timezone": "UTC",
        "kwdb.pid": str(os.getpid()),
        "kwdb.advertise_addr": options.advertise,
    }
    if options.certs_dir:
        settings.update(
            ssl="on",
            ssl_cert_file=os.path.join(options.certs_dir, "node.crt"),
            ssl_key_file=os.path.join(options.certs_dir, "node.key"),
            ssl_ca_file=os.path.join(options.certs_dir, "ca.crt"),
        )
    program = os.path.join(store.postgres_bin(store.version_of(data)), "postgres")
    argv = [program, "-D", data, "-p", str(options.listen[1])]
    return argv + [word for pair in settings.items() for word in ("-c", "=".join(pair))]


def _die_with_parent(parent: int) -> None:
    """In the child: end at once when the server ends, even by SIGKILL."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
    if os.getppid() != parent:
        os._exit(1)


class Node:
    """The running server."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.phase = "starting"
        self.log = sys.stderr
        self.sockets = ""
        self.postgres: subprocess.Popen | None = None
        self.page: health.HealthPage | None = None

    def say(self, text: str) -> None:
        """One line to the log in the store and to standard error."""
        stamp = time.strftime("%y%m%d %H:%M:%S", time.gmtime())
        for stream in {self.log, sys.stderr}:
            print(f"I{stamp} {os.getpid()} {text}", file=stream, flush=True)

    def _asks_sql(self) -> str:
        """Why SQL does not answer; empty when it does."""
        path = os.path.join(self.sockets, f".s.PGSQL.{self.options.listen[1]}")
        try:
            connection = pgwire.connect(path, timeout=2.0)
            connection.query("SELECT 1")
            connection.close()
        except (pgwire.ConnectionLost, pgwire.SqlError, OSError) as exc:
            return str(exc).replace('"', "'")
        return ""

    def why_not_ready(self) -> str:
        """The reason for a 503 on the health page."""
        if self.phase == "draining":
            return "node is shutting down"
        if self.phase == "starting":
            return "node is waiting for cluster initialization"
        problem = self._asks_sql()
        return f"node is not healthy: {problem}" if problem else ""

    def _load_tls(self) -> None:
        folder = self.options.certs_dir
        if not folder or self.page is None:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/node.crt", f"{folder}/node.key")
        self.page.tls = context

    def start(self) -> None:
        """From the lock on the store to a PostgreSQL that is on its way up."""
        options = self.options
        if options.certs_dir:
            security.check_pair(options.certs_dir, "node", "node")
        self.lock = store.lock(options.store)
        listen = "{}:{}".format(*options.listen)
        addresses = {"listen": listen, "sql": listen, "advertise": options.advertise}
        addresses.update(http="{}:{}".format(*options.http))
        data = store.prepare(options.store, {**addresses, "advertise-sql": options.advertise})
        store.release(data)
        os.makedirs(options.log_dir, mode=0o750, exist_ok=True)
        log = os.path.join(options.log_dir, "kwbase.log")
        self.log = open(log, "a", encoding="utf-8")  # noqa: SIM115 - open as long as we live
        self.sockets = socket_folder(options.listen[1])
        with open(os.path.join(self.sockets, "pg_hba.conf"), "w", encoding="ascii") as rules:
            rules.write(access_rules(bool(options.certs_dir)))
        me = os.getpid()
        self.postgres = subprocess.Popen(
            postgres_arguments(options, data, self.sockets),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            # No thread runs yet: the health page comes after.
            preexec_fn=lambda: _die_with_parent(me),  # noqa: PLW1509
        )
        self.page = health.HealthPage(options.http, self.why_not_ready)
        self._load_tls()
        if options.brpc:
            self.brpc = socket.create_server(options.brpc)
        if options.pid_file:
            store.write_atomically(options.pid_file, f"{me}\n")

    def _stop_postgres(self, how: signal.Signals, patience: float) -> None:
        if self.postgres is None or self.postgres.poll() is not None:
            return
        self.postgres.send_signal(how)
        try:
            self.postgres.wait(patience)
        except subprocess.TimeoutExpired:
            self.postgres.kill()
            self.postgres.wait()

    def hard_stop(self, number: int) -> int:
        """No drain: PostgreSQL recovers at the next start, and this process dies by the signal."""
        self._stop_postgres(signal.SIGQUIT, 3.0)
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.kill(os.getpid(), number)
        return 128 + number

    def _on_stop_signal(self, number: int) -> int | None:
        name = signal.strsignal(number)
        if self.phase == "starting" and self._asks_sql():
            self.say(f"received signal '{name}': too early to drain; used hard shutdown instead")
            return self.hard_stop(number)
        if self.phase == "draining":
            self.say(
                f"received signal '{name}' during shutdown, initiating hard shutdown"
                " - node may take longer to restart"
            )
            return self.hard_stop(number)
        self.say(f"received signal '{name}': draining")
        self.phase, self.drain_signal = "draining", number
        assert self.postgres
        self.postgres.send_signal(signal.SIGINT)
        return None

    def _on_postgres_end(self, code: int) -> int:
        if self.phase == "draining" and code == 0:
            self.say("server drained and shutdown completed")
            return 1 if self.drain_signal == signal.SIGINT else 0
        self.say(f"the storage process ended by itself with {code}: see {self.log.name}")
        return 1

    def _reload(self) -> None:
        try:
            security.check_pair(self.options.certs_dir, "node", "node")
            self._load_tls()
        except (security.SecurityError, OSError) as exc:
            self.say(f"certificates not reloaded, the old ones stay: {exc}")
            return
        assert self.postgres
        self.postgres.send_signal(signal.SIGHUP)
        self.say("certificates reloaded")

    def serve(self) -> int:
        """Answer signals until the end; the exit code."""
        assert self.postgres
        while True:
            pause = 0.05 if self.phase == "starting" else 1.0
            caught = signal.sigtimedwait(SIGNALS, pause)
            number = caught.si_signo if caught else 0
            code = self.postgres.poll()
            if code is not None:
                return self._on_postgres_end(code)
            if number == signal.SIGHUP and self.options.certs_dir:
                self._reload()
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                end = self._on_stop_signal(number)
                if end is not None:
                    return end
            if self.phase == "starting" and not self._asks_sql():
                self.phase = "running"
                self.say("node startup completed: SQL answers")


def run(options: Options) -> int:
    """Start the server and stay until it ends."""
    if os.getuid() == 0:
        print("ERROR: PostgreSQL does not run as root: start as kaiwudb", file=sys.stderr)
        return 1
    os.umask(0o007)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    node = Node(options)
    try:
        node.start()
    except (store.StoreError, security.SecurityError, OSError) as exc:
        print(f'ERROR: {exc}\nFailed running "start-single-node"', file=sys.stderr)
        node._stop_postgres(signal.SIGQUIT, 3.0)
        return 1
    return node.serve()
