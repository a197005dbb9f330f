"""Ctrl-C ends the maintenance of a large store at once, and leaves nothing half-written."""

import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from teamsup.hub import MessageHub
from teamsup.hub.engines.sqlite.store_tools import StoreTools, interruptible

FOREVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def test_a_statement_that_would_take_forever_ends_by_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt), interruptible(db):
            db.execute(FOREVER).fetchall()


def test_another_error_of_an_interruptible_statement_stays_as_it_is() -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as db,
        pytest.raises(sqlite3.OperationalError),
        interruptible(db),
    ):
        db.execute("SELECT 1 FROM nothing")


def test_a_backup_that_is_interrupted_leaves_no_file(
    join: Callable[..., MessageHub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: StoreTools, target: sqlite3.Connection) -> None:
        target.execute("CREATE TABLE half (written)")
        raise KeyboardInterrupt

    monkeypatch.setattr(StoreTools, "_copy_to", interrupt)
    folder = tmp_path / "backups"
    folder.mkdir()

    with pytest.raises(KeyboardInterrupt):
        join("lead").maintenance.backup(folder / "crew.db")

    assert list(folder.iterdir()) == []
