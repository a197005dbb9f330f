"""PgBouncer between a test and its server, as Debian packages it."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from helpers.postgres_server import PostgresServer, as_other_user
from helpers.support import eventually

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="needs PgBouncer (Debian package pgbouncer)")
_PORT = 6543


@contextlib.contextmanager
def pooled_database(server: PostgresServer, mode: str) -> Iterator[str]:
    """A new database behind PgBouncer in this mode; yields its address there.

    It is a database, because PgBouncer drops the search_path of an address.
    """
    assert PROGRAM is not None
    name = f"test_{uuid.uuid4().hex}"
    to = conninfo_to_dict(server.url)
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'utf8' LC_COLLATE 'C' LC_CTYPE 'C'")
    folder = Path(tempfile.mkdtemp(prefix="pgb-", dir=server.folder))  # its user may enter
    target = " ".join(f"{key}={to[key]}" for key in ("host", "port", "user", "password") if key in to)
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = {target}\n[pgbouncer]\nlisten_port = {_PORT}\nunix_socket_dir = {folder}\n"
        f"auth_type = any\npool_mode = {mode}\n"
    )
    other = as_other_user()
    if other:
        os.chown(folder, other["user"], other["group"])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, folder / "pgbouncer.ini"],
            stdout=log,
            stderr=log,
            **other,  # type: ignore[call-overload]
        )
    try:
        address = f"postgresql://{to.get('user', 'postgres')}@/{name}?host={folder}&port={_PORT}"
        eventually(lambda: _answers(address), "PgBouncer")
        yield address
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        with server.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _answers(address: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(address).close()
        return True
    return False
