"""The KWDB stand-in for real: PostgreSQL, TLS, signals and crashes on loopback ports.

The server runs as an unprivileged user, from the files of the built packages.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Iterator

import pytest

STANDIN = Path(__file__).resolve().parents[1] / "standin"
USER = "nobody"
NODE = "127.0.0.1"

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="starts the server as another user"),
]


def ports() -> Iterator[int]:
    """Ports below those that any connection may be given, none twice, other ones in each worker of a run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    yield from itertools.cycle(range(20000 + 3000 * worker, 23000 + 3000 * worker))


PORTS = ports()


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = next(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(what: str, seconds: float, check) -> None:
    """Poll until the check holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"{what} did not happen in {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The two packages."""
    out = tmp_path_factory.mktemp("debs")
    subprocess.run([sys.executable, STANDIN / "build.py", out], check=True)
    return sorted(out.glob("*.deb"))


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the unprivileged user can enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="kwdb-standin-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def kwbase(debs: list[Path]) -> Iterator[Path]:
    """The program as the packages lay it out."""
    with open_folder() as root:
        for deb in debs:
            subprocess.run(["dpkg-deb", "--extract", deb, root / "files"], check=True)
        yield root / "files/usr/local/kaiwudb/bin/kwbase"


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for one server."""
    with open_folder() as folder:
        yield folder


class Server:
    """One stand-in server and its client."""

    def __init__(self, program: Path, home: Path, secure: bool) -> None:
        self.program, self.home, self.secure = program, home, secure
        self.store, self.certs = home / "store", home / "certs"
        self.port, self.http, self.brpc = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        account = pwd.getpwnam(USER)
        self.as_user = [
            "setpriv",
            f"--reuid={account.pw_uid}",
            f"--regid={account.pw_gid}",
            "--clear-groups",
        ]
        self.store.mkdir()
        shutil.chown(self.store, USER)

    @property
    def security(self) -> str:
        """The option that client and server share."""
        return f"--certs-dir={self.certs}" if self.secure else "--insecure"

    def make_certificates(self) -> None:
        """A CA, a node certificate and root's, by the stand-in's own commands."""
        for argv in (["create-ca"], ["create-node", NODE, "localhost"], ["create-client", "root"]):
            self.run("cert", *argv, f"--certs-dir={self.certs}", f"--ca-key={self.certs}/ca.key")
        for path in (self.certs, *self.certs.iterdir()):
            shutil.chown(path, USER)

    def run(self, *argv: str, ok: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the program as root; the environment says nothing."""
        done = subprocess.run(
            [self.program, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not ok or done.returncode == 0, done.stderr
        return done

    def sql(self, *statements: str, ok: bool = True, form: str = "csv") -> list[str]:
        """Lines of the answers; of the error when it must fail."""
        argv = [word for statement in statements for word in ("-e", statement)]
        target = f"--host={NODE}:{self.port}"
        done = self.run("sql", target, self.security, f"--format={form}", *argv, ok=ok)
        assert ok or done.returncode == 1
        return (done.stdout if ok else done.stderr).splitlines()

    def launch(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the server process."""
        argv = [*self.as_user, str(self.program), "start-single-node", self.security]
        argv += [f"--store={self.store}", f"--listen-addr={NODE}:{self.port}"]
        argv += [f"--advertise-addr={NODE}:{self.port}", f"--http-addr={NODE}:{self.http}"]
        argv += [f"--brpc-addr={NODE}:{self.brpc}", *more]
        temporary = self.home / "tmp"
        if not temporary.exists():
            temporary.mkdir()
            shutil.chown(temporary, USER)
        with open(self.home / "console", "ab") as console:
            self.process = subprocess.Popen(
                argv, stdout=console, stderr=console, env={**os.environ, "TMPDIR": str(temporary)}
            )
        return self.process

    def start(self) -> float:
        """Start and wait until it is ready; the seconds that it took."""
        begin = time.monotonic()
        self.launch()
        wait_until("readiness", 60, lambda: self.health("?ready=1") == 200 or self._died())
        return time.monotonic() - begin

    def _died(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.console()
        return False

    def health(self, query: str = "", path: str = "/health") -> int:
        """The HTTP status; 0 when nobody answers."""
        scheme = "https" if self.secure else "http"
        tls = ssl.create_default_context(cafile=str(self.certs / "ca.crt")) if self.secure else None
        url = f"{scheme}://{NODE}:{self.http}{path}{query}"
        try:
            return urllib.request.urlopen(url, timeout=5, context=tls).status
        except urllib.error.HTTPError as exc:
            return exc.code
        except OSError:
            return 0

    def console(self) -> str:
        """What the server said."""
        return (self.home / "console").read_text()

    def postgres(self) -> list[int]:
        """Processes that work in PostgreSQL's folder."""
        data, found = str(self.store / "pgdata"), []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/cwd") == data:
                    found.append(int(entry))
        return found

    def signal_postgres(self, number: int) -> None:
        """Send a signal to PostgreSQL, the eldest first: once that is stopped, no more are born.

        A process of one connection may end by itself in between.
        """
        for pid in sorted(self.postgres(), key=_born):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, number: int, seconds: float = 60) -> int:
        """Send a signal; how the server ended."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture(params=[True, False], ids=["secure", "insecure"])
def server(
    request: pytest.FixtureRequest, kwbase: Path, home: Path, fresh: Path
) -> Iterator[Server]:
    """A started server, secure and insecure."""
    yield from _started(kwbase, home, fresh, request.param)


@pytest.fixture
def secure(kwbase: Path, home: Path, fresh: Path) -> Iterator[Server]:
    """A started secure server."""
    yield from _started(kwbase, home, fresh, True)


@pytest.fixture
def insecure(kwbase: Path, home: Path, fresh: Path) -> Iterator[Server]:
    """A started insecure server."""
    yield from _started(kwbase, home, fresh, False)


@pytest.fixture(scope="session")
def fresh(kwbase: Path) -> Iterator[Path]:
    """A store and certificates after a first start; each test works on its own copy."""
    with open_folder() as folder:
        one = Server(kwbase, folder, True)
        one.make_certificates()
        one.start()
        assert one.end(signal.SIGTERM) == 0
        yield folder


def _started(kwbase: Path, home: Path, fresh: Path, is_secure: bool) -> Iterator[Server]:
    one = Server(kwbase, home, is_secure)
    for name in ("store", "certs"):
        subprocess.run(["cp", "-a", "-T", fresh / name, home / name], check=True)
    one.start()
    yield one
    assert one.process
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()
    # A test that failed half way may have left it frozen.
    one.signal_postgres(signal.SIGCONT)
    wait_until("the end of PostgreSQL", 60, lambda: not one.postgres())


DURABLE = (
    "SET CLUSTER SETTING ts.wal.wal_level = 1",
    "SET CLUSTER SETTING ts.force_sync_file.enabled = true",
)


def test_packages_are_the_same_bytes_each_time(debs: list[Path], tmp_path: Path) -> None:
    subprocess.run([sys.executable, STANDIN / "build.py", tmp_path], check=True)
    again = sorted(tmp_path.glob("*.deb"))
    assert [path.name for path in again] == [path.name for path in debs]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in debs]


def test_packages_are_for_the_architecture_that_was_asked_for(tmp_path: Path) -> None:
    argv = [sys.executable, STANDIN / "build.py", "--architecture", "arm64", tmp_path]
    subprocess.run(argv, check=True)
    for deb in tmp_path.glob("*.deb"):
        argv = ["dpkg-deb", "--field", str(deb), "Architecture"]
        assert subprocess.check_output(argv, text=True).strip() == "arm64"


def test_rows_through_kwdbs_words(server: Server) -> None:
    lines = server.sql(
        "CREATE DATABASE IF NOT EXISTS shop",
        "CREATE TABLE shop.public.t (id INT PRIMARY KEY, s STRING)",
        "INSERT INTO shop.t VALUES (5000000000, 'a;b'), (2, NULL)",
        "SELECT id, s FROM shop.t ORDER BY id",
        "USE shop; SELECT count(*) FROM t",
        "SHOW DATABASES",
        "SHOW TABLES FROM shop",
        "DELETE FROM shop.t WHERE id = 2",
        "DROP DATABASE shop CASCADE",
    )
    assert lines == [
        "CREATE DATABASE",
        "CREATE TABLE",
        "INSERT 2",
        *("id,s", "2,NULL", "5000000000,a;b"),
        *("SET", "count", "2"),
        *("database_name", "defaultdb", "postgres", "shop", "system"),
        *("table_name", "t"),
        "DELETE 1",
        "DROP DATABASE",
    ]


def test_time_series_tables_and_the_default_database(insecure: Server) -> None:
    insecure.sql(
        "CREATE TS DATABASE sensors",
        "CREATE TABLE sensors.t (ts TIMESTAMPTZ NOT NULL, v FLOAT8) TAGS (id INT NOT NULL) PRIMARY TAGS (id)",
        "INSERT INTO sensors.t VALUES (now(), 1.5, 7)",
        "CREATE TABLE here (id INT)",
    )
    assert insecure.sql("SELECT v, id FROM sensors.t") == ["v,id", "1.5,7"]
    assert insecure.sql("SELECT count(*) FROM defaultdb.here") == ["count", "0"]


def test_an_error_ends_with_1_and_says_why(insecure: Server) -> None:
    assert any("nowhere" in line for line in insecure.sql("SELECT * FROM nowhere", ok=False))
    text = "\n".join(insecure.sql("SET CLUSTER SETTING no.such.thing = 1", ok=False))
    assert "unknown cluster setting 'no.such.thing'" in text


def test_statements_on_standard_input_are_answered_one_by_one(server: Server) -> None:
    argv = [server.program, "sql", f"--host={NODE}:{server.port}", server.security, "--format=csv"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdin and shell.stdout
        for statement, answer in (
            ("CREATE TABLE x (id VARCHAR(64) NOT NULL, written_at TIMESTAMPTZ);", ["CREATE TABLE"]),
            ("CREATE INDEX ON x (id);", ["CREATE INDEX"]),
            ("INSERT INTO x VALUES ('a', now());", ["INSERT 1"]),
            ("SELECT id FROM x WHERE id = 'a';", ["id", "a"]),
        ):
            shell.stdin.write(f"{statement}\n")
            shell.stdin.flush()
            assert [shell.stdout.readline().strip() for _line in answer] == answer
        shell.stdin.write("SELECT * FROM nowhere;\nSELECT 1;\n")
        shell.stdin.flush()
        assert shell.stdout.read() == ""
        assert shell.wait(60) == 1


def test_a_client_of_a_dead_server_ends_with_an_error(insecure: Server) -> None:
    argv = [insecure.program, "sql", f"--host={NODE}:{insecure.port}", "--insecure"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdin and shell.stdout
        shell.stdin.write("SELECT 1 AS one;\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "one\n"
        assert shell.stdout.readline() == "1\n"
        insecure.end(signal.SIGKILL)
        wait_until("the end of PostgreSQL", 60, lambda: not insecure.postgres())
        shell.stdin.write("SELECT 1;\n")
        shell.stdin.flush()
        assert shell.wait(60) == 1
    insecure.sql("SELECT 1", ok=False)


def test_settings_are_kept_over_a_restart(insecure: Server) -> None:
    assert insecure.sql("SHOW CLUSTER SETTING ts.wal.wal_level") == ["ts.wal.wal_level", "2"]
    assert insecure.sql("SHOW CLUSTER SETTING ts.force_sync_file.enabled")[1] == "false"
    assert insecure.sql("SHOW synchronous_commit")[1] == "off"
    insecure.sql(*DURABLE)
    assert insecure.end(signal.SIGTERM) == 0
    insecure.start()
    assert insecure.sql("SHOW CLUSTER SETTING ts.wal.wal_level")[1] == "1"
    assert insecure.sql("SHOW CLUSTER SETTING ts.force_sync_file.enabled")[1] == "true"
    assert insecure.sql("SHOW synchronous_commit")[1] == "on"
    insecure.sql("RESET CLUSTER SETTING ts.wal.wal_level")
    assert insecure.sql("SHOW CLUSTER SETTING ts.wal.wal_level")[1] == "2"
    assert insecure.sql("SHOW synchronous_commit")[1] == "off"


def test_tls_needs_the_right_certificates(secure: Server, tmp_path: Path) -> None:
    target = f"--host={NODE}:{secure.port}"
    refused = secure.run("sql", target, "--insecure", "-e", "SELECT 1", ok=False)
    assert refused.returncode == 1 and "no encryption" in refused.stderr
    other = tmp_path / "other"
    ca = f"--ca-key={other}/ca.key"
    secure.run("cert", "create-ca", f"--certs-dir={other}", ca)
    secure.run("cert", "create-client", "root", f"--certs-dir={other}", ca)
    refused = secure.run("sql", target, f"--certs-dir={other}", "-e", "SELECT 1", ok=False)
    assert refused.returncode == 1 and "CERTIFICATE_VERIFY_FAILED" in refused.stderr
    # The server's CA is trusted, but another CA issued the client's certificate.
    shutil.copy(secure.certs / "ca.crt", other / "ca.crt")
    refused = secure.run("sql", target, f"--certs-dir={other}", "-e", "SELECT 1", ok=False)
    assert refused.returncode == 1, refused.stdout
    # A name that the node's certificate does not cover.
    wrong = f"--host=127.0.0.2:{secure.port}"
    secure.end(signal.SIGTERM)
    secure.launch(f"--listen-addr=0.0.0.0:{secure.port}")
    wait_until("readiness", 60, lambda: secure.health("?ready=1") == 200)
    refused = secure.run("sql", wrong, secure.security, "-e", "SELECT 1", ok=False)
    assert refused.returncode == 1 and "127.0.0.2" in refused.stderr


def test_keys_that_others_can_read_are_refused(secure: Server) -> None:
    key = secure.certs / "client.root.key"
    key.chmod(0o640)
    assert any("exceeds 0700" in line for line in secure.sql("SELECT 1", ok=False))
    key.chmod(0o600)
    assert secure.end(signal.SIGTERM) == 0
    (secure.certs / "node.key").chmod(0o644)
    assert secure.launch().wait(60) == 1
    assert "exceeds 0700" in secure.console()


def test_a_certificate_of_somebody_else_is_refused(secure: Server) -> None:
    for kind in ("crt", "key"):
        shutil.copy2(secure.certs / f"client.root.{kind}", secure.certs / f"node.{kind}")
        shutil.chown(secure.certs / f"node.{kind}", USER)
    assert secure.end(signal.SIGTERM) == 0
    assert secure.launch().wait(60) == 1
    assert "is not for user node" in secure.console()


def test_new_certificates_are_taken_over_without_a_restart(secure: Server) -> None:
    def serial() -> str:
        argv = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"{NODE}:{secure.port}"]
        quiet = {"stderr": subprocess.DEVNULL, "text": True}
        shown = subprocess.run(argv, input="", stdout=subprocess.PIPE, check=False, **quiet).stdout
        argv = ["openssl", "x509", "-noout", "-serial"]
        return subprocess.run(
            argv, input=shown, stdout=subprocess.PIPE, check=False, **quiet
        ).stdout

    before, pid = serial(), secure.process.pid if secure.process else 0
    secure.run(
        *("cert", "create-node", NODE, "localhost", "--overwrite"),
        *(f"--certs-dir={secure.certs}", f"--ca-key={secure.certs}/ca.key"),
    )
    for name in ("node.crt", "node.key"):
        shutil.chown(secure.certs / name, USER)
    assert secure.process
    secure.process.send_signal(signal.SIGHUP)
    wait_until("another certificate", 60, lambda: serial() not in ("", before))
    assert secure.process.poll() is None and secure.process.pid == pid
    assert secure.sql("SELECT 1 AS one") == ["one", "1"]
    assert secure.health("?ready=1") == 200


def test_one_sigterm_drains_and_ends_cleanly(server: Server) -> None:
    assert server.end(signal.SIGTERM) == 0
    assert "server drained and shutdown completed" in server.console()
    assert not server.postgres()
    assert "database system was not properly shut down" not in server.console()
    tool = max(Path("/usr/lib/postgresql").glob("*/bin/pg_controldata"))
    argv = [tool, server.store / "pgdata"]
    control = subprocess.check_output(argv, env={"LC_ALL": "C"}, text=True)
    assert control.split("cluster state:")[1].splitlines()[0].strip() == "shut down"


def test_a_second_sigterm_is_a_hard_stop(insecure: Server) -> None:
    assert insecure.process
    # A frozen PostgreSQL makes the drain take as long as it takes to send the second signal.
    (postmaster,) = [pid for pid in insecure.postgres() if _status(pid, 4) == insecure.process.pid]
    os.kill(postmaster, signal.SIGSTOP)
    insecure.process.send_signal(signal.SIGTERM)
    wait_until("the drain", 60, lambda: "draining" in insecure.console())
    assert insecure.end(signal.SIGTERM) == -signal.SIGTERM
    assert "initiating hard shutdown" in insecure.console()
    wait_until("the end of PostgreSQL", 60, lambda: not insecure.postgres())


def _status(pid: int, field: int) -> int:
    """A number from /proc/PID/stat as proc(5) counts its fields; 0 when the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[field - 3])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _born(pid: int) -> int:
    """When the process started, in ticks since the boot."""
    return _status(pid, 22)


def test_health_tells_a_living_server_from_a_ready_one(server: Server) -> None:
    assert (server.health(), server.health("?ready=1")) == (200, 200)
    assert server.health(path="/nothing") == 404
    assert server.process
    server.signal_postgres(signal.SIGSTOP)
    assert server.health() == 200
    assert server.health("?ready=1") == 503
    server.signal_postgres(signal.SIGCONT)
    wait_until("readiness", 60, lambda: server.health("?ready=1") == 200)
    assert server.end(signal.SIGTERM) == 0
    assert server.health() == 0


def test_health_is_answered_in_clear_on_the_tls_port(secure: Server) -> None:
    url = f"http://{NODE}:{secure.http}"
    assert urllib.request.urlopen(f"{url}/health?ready=1", timeout=5).status == 200

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments: object) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Stay).open(f"{url}/other", timeout=5)
    assert caught.value.code == 307
    assert caught.value.headers["Location"].startswith("https://")


def test_no_acknowledged_row_is_lost_by_kill_9(server: Server) -> None:
    server.sql(*DURABLE, "CREATE TABLE t (id INT PRIMARY KEY)")
    for round_number in range(3):
        first = round_number * 1_000_000
        acknowledged = _write_until_killed(server, first)
        assert len(acknowledged) > 20
        assert server.process and server.process.wait(60) == -signal.SIGKILL
        wait_until("the end of PostgreSQL", 60, lambda: not server.postgres())
        server.start()
        stored = {int(line) for line in server.sql("SELECT id FROM t")[1:]}
        assert acknowledged <= stored
        # At most the one row that was on its way may be there unacknowledged.
        assert len({one for one in stored if one >= first} - acknowledged) <= 1


def _write_until_killed(server: Server, first: int) -> set[int]:
    """Insert row by row, kill the server in the middle; the rows that were acknowledged."""
    argv = [server.program, "sql", f"--host={NODE}:{server.port}", server.security, "--format=csv"]
    acknowledged, number, end = set(), first, time.monotonic() + 1
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as shell:
        assert shell.stdin and shell.stdout and server.process
        while True:
            try:
                shell.stdin.write(f"INSERT INTO t VALUES ({number});\n")
                shell.stdin.flush()
                if time.monotonic() > end and number > first + 20:
                    server.process.kill()
            except BrokenPipeError:
                break
            if shell.stdout.readline().strip() != "INSERT 1":
                break
            acknowledged.add(number)
            number += 1
        assert shell.wait(60) == 1
    return acknowledged


def test_without_durability_a_crash_can_lose_rows(insecure: Server) -> None:
    """The stand-in must be able to lose rows, or tests of durability would prove nothing."""
    insecure.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CHECKPOINT")
    lost = 0
    for round_number in range(5):
        acknowledged = _write_until_killed(insecure, round_number * 1_000_000)
        wait_until("the end of PostgreSQL", 60, lambda: not insecure.postgres())
        insecure.start()
        stored = {int(line) for line in insecure.sql("SELECT id FROM t")[1:]}
        lost += len(acknowledged - stored)
    assert lost > 0


def test_traces_of_a_power_cut_do_not_stop_a_start(insecure: Server) -> None:
    insecure.sql(*DURABLE, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1)")
    pid_file = insecure.store / "pgdata/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    assert insecure.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until("the end of PostgreSQL", 60, lambda: not insecure.postgres())
    # After a power cut the number in the file may belong to a living process of the same user.
    bystander = subprocess.Popen([*insecure.as_user, "sleep", "60"])
    try:
        lines[0] = str(bystander.pid)
        pid_file.write_text("\n".join(lines) + "\n")
        shutil.chown(pid_file, USER)
        insecure.start()
    finally:
        bystander.kill()
        bystander.wait()
    assert insecure.sql("SELECT id FROM t") == ["id", "1"]


def test_a_store_is_used_by_one_server_only(insecure: Server, kwbase: Path) -> None:
    first = insecure.process
    insecure.http, insecure.port, insecure.brpc = free_port(), free_port(), free_port()
    assert insecure.launch().wait(60) == 1
    assert "LOCK is held" in insecure.console()
    insecure.process = first


def test_an_unfinished_first_start_is_repeated(insecure: Server) -> None:
    assert insecure.end(signal.SIGTERM) == 0
    shutil.rmtree(insecure.store / "pgdata")
    half = insecure.store / "pgdata.new.killed"
    half.mkdir()
    (half / "PG_VERSION").write_text("15\n")
    shutil.chown(half, USER)
    insecure.start()
    assert not half.exists()
    assert insecure.sql("SELECT 1 AS one") == ["one", "1"]


def test_stores_that_must_not_start(insecure: Server) -> None:
    assert insecure.end(signal.SIGTERM) == 0
    marker = insecure.store / "kwbase.start_mode"
    marker.write_text("start\n")
    assert insecure.launch().wait(60) == 1
    assert "check start mode failed!" in insecure.console()
    marker.write_text("start-single-node\n")
    (insecure.store / "auxiliary/_CRITICAL_ALERT.txt").write_text("damaged page\n")
    assert insecure.launch().wait(60) == 1
    assert "damaged page" in insecure.console()


def test_lost_and_found_in_the_store_does_not_matter(kwbase: Path, home: Path) -> None:
    one = Server(kwbase, home, False)
    (one.store / "lost+found").mkdir(mode=0o700)
    one.start()
    assert one.end(signal.SIGTERM) == 0
    assert (one.store / "lost+found").owner() == "root"


def test_root_does_not_run_the_server(insecure: Server) -> None:
    done = insecure.run("start-single-node", "--insecure", "--store=/nonexistent/x", ok=False)
    assert done.returncode == 1 and "as root" in done.stderr


def test_node_status_and_quit(server: Server) -> None:
    target = f"--host={NODE}:{server.port}"
    shown = server.run("node", "status", target, server.security, "--format=csv").stdout
    names, values = (line.split(",") for line in shown.splitlines())
    found = dict(zip(names, values))
    assert found["address"] == f"{NODE}:{server.port}"
    assert (found["is_available"], found["is_live"]) == ("true", "true")
    assert server.run("quit", target, server.security).stdout == "ok\n"
    assert server.process and server.process.wait(60) == 0


def test_formats(insecure: Server) -> None:
    query = "SELECT 1 AS a, NULL AS b"
    assert insecure.sql(query, form="tsv") == ["a\tb", "1\tNULL"]
    assert insecure.sql(query, form="records") == ["-[ RECORD 1 ]", "a | 1", "b | NULL"]
    assert insecure.sql(query, form="table")[-1] == "(1 row)"


def test_certificates_follow_kwdbs_profile(kwbase: Path, home: Path) -> None:
    one = Server(kwbase, home, True)
    one.make_certificates()
    text = {
        name: subprocess.run(
            ["openssl", "x509", "-noout", "-text", "-in", one.certs / f"{name}.crt"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("ca", "node", "client.root")
    }
    assert "CA:TRUE, pathlen:1" in text["ca"] and "O = KWDB, CN = KWDB CA" in text["ca"]
    assert "IP Address:127.0.0.1, DNS:localhost" in text["node"]
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text["node"]
    assert "CN = root" in text["client.root"] and "Alternative" not in text["client.root"]
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in one.certs.glob("*.key")} == {
        "ca.key": "0o600",
        "client.root.key": "0o600",
        "node.key": "0o600",
    }
    again = one.run(
        *("cert", "create-node", "x", f"--certs-dir={one.certs}", f"--ca-key={one.certs}/ca.key"),
        ok=False,
    )
    assert again.returncode == 1 and "file exists" in again.stderr
    listed = one.run("cert", "list", f"--certs-dir={one.certs}").stdout
    assert "node.crt" in listed and "client.root.crt" in listed
