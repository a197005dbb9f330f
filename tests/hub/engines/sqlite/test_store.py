"""The file itself: adopted, migrated, shared, refused."""

import errno
import itertools
import math
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

from helpers.support import TIMEOUT_SECONDS, OpenCommand, eventually, run_foreign_sql
from teamsup.hub import MessageHub, SchemaTooNew, StoreCorrupt, StoreError, Team
from teamsup.hub.engines.sqlite import disk_flush, store
from teamsup.hub.engines.sqlite.migrations import SCHEMA_VERSION
from teamsup.hub.engines.sqlite.store import Store
from teamsup.hub.models import WakeStep

Join = Callable[..., MessageHub]

ORIGINAL_DESIGN = """
    CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT UNIQUE NOT NULL, sender TEXT NOT NULL,
      recipient TEXT, message_type TEXT DEFAULT 'message', content TEXT NOT NULL,
      priority TEXT DEFAULT 'normal', metadata TEXT DEFAULT '{}', status TEXT DEFAULT 'pending',
      created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, processed_at TIMESTAMP, expires_at TIMESTAMP);
    CREATE TABLE agent_status (agent_name TEXT PRIMARY KEY, status TEXT DEFAULT 'offline', last_heartbeat TIMESTAMP,
      metadata TEXT DEFAULT '{}');
    INSERT INTO agent_status (agent_name) VALUES ('lead'), ('scout');
    INSERT INTO messages (message_id, sender, recipient, content, status) VALUES
      ('m1', 'lead', 'scout', 'one', 'pending'), ('m2', 'lead', 'scout', 'two', 'processing'),
      ('m3', 'lead', 'scout', 'three', 'processed'), ('m4', 'lead', NULL, 'to all', 'pending');
"""


def test_only_its_owner_can_read_a_team(team: Team) -> None:
    MessageHub(team).close()

    assert stat.S_IMODE(team.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(team.database.stat().st_mode) == 0o600


def test_a_database_of_the_original_design_is_adopted_and_nothing_is_lost(team: Team) -> None:
    team.folder.mkdir()
    with closing(sqlite3.connect(team.database)) as db, db:
        db.executescript(ORIGINAL_DESIGN)

    with MessageHub(team, agent="scout") as scout:
        assert [delivery.message.content for delivery in scout.claim(10)] == ["one", "to all"]
        assert scout.queries.trace("m2")[0].state == "leased"
        assert scout.queries.trace("m3") == []
        run_foreign_sql(team, "UPDATE messages SET status = 'processed' WHERE message_id = 'm2'")
        assert scout.queries.trace("m2")[0].state == "done"
    assert run_foreign_sql(team, "SELECT id, message_id FROM messages ORDER BY id") == [
        (1, "m1"),
        (2, "m2"),
        (3, "m3"),
        (4, "m4"),
    ]


def test_a_database_of_a_newer_schema_is_refused_and_left_alone(team: Team) -> None:
    MessageHub(team).close()
    run_foreign_sql(team, f"PRAGMA user_version={SCHEMA_VERSION + 1}")

    with pytest.raises(SchemaTooNew, match="written by a newer teamsup"):
        MessageHub(team)

    assert run_foreign_sql(team, "PRAGMA user_version") == [(SCHEMA_VERSION + 1,)]


def test_a_database_of_an_older_schema_is_brought_up_to_date_with_what_waits_in_it(team: Team) -> None:
    team.create()
    with closing(sqlite3.connect(team.database)) as db, db:
        db.executescript((Path(__file__).parents[2] / "schema_5.sql").read_text("utf-8"))

    with MessageHub(team, agent="lead") as lead:
        assert [message.content for message in lead.wake_ladder.take_wake_step(WakeStep.ANNOUNCED)] == ["hi"]
        assert [delivery.message.content for delivery in lead.claim()] == ["hi"]
        assert lead.queries.trace("m2")[0].state == "leased"
        with MessageHub(Team("new", team.folder / "new")) as new:
            what_there_is = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name"
            assert lead.query(what_there_is) == new.query(what_there_is)
    assert run_foreign_sql(team, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_file_that_is_not_a_database_is_refused(team: Team) -> None:
    team.create()
    team.database.write_bytes(b"this is a letter to my aunt" * 100)

    with pytest.raises(StoreCorrupt, match="is not a SQLite database"):
        MessageHub(team)


def test_a_team_whose_folder_cannot_be_made_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")

    with pytest.raises(StoreError, match="Cannot make the folder"):
        MessageHub(Team("crew", tmp_path / "file" / "crew"))


def test_many_processes_may_be_the_first_to_open_it(team: Team) -> None:
    code = (
        "import sys; from pathlib import Path; from teamsup.hub import MessageHub, Team;"
        "MessageHub(Team('crew', Path(sys.argv[1])), agent=sys.argv[2]).register()"
    )
    openers = [subprocess.Popen([sys.executable, "-c", code, str(team.folder), f"a{n}"]) for n in range(6)]

    assert [opener.wait(TIMEOUT_SECONDS) for opener in openers] == [0] * 6
    with MessageHub(team) as hub:
        assert len(hub.agents()) == 6


def test_writers_that_meet_wait_for_each_other(team: Team) -> None:
    with MessageHub(team, agent="lead") as lead, MessageHub(team, agent="scout") as scout:
        scout.register()
        blocker = sqlite3.connect(team.database, isolation_level=None, check_same_thread=False)
        blocker.execute("BEGIN IMMEDIATE")
        sender = threading.Thread(target=lead.send, args=("scout", "hi"))
        sender.start()
        assert scout.claim() == []
        blocker.execute("COMMIT")
        blocker.close()
        sender.join()

        assert len(scout.claim()) == 1


def test_a_send_that_returned_is_on_the_disk_and_its_reader_need_not_wait_for_that(
    team: Team, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, scout = join("lead", durability="full"), join("scout")
    seen: list[str] = []

    def fsync(path: str) -> None:
        assert path == f"{team.database}-wal"
        seen.extend(delivery.message.content for delivery in scout.claim())

    monkeypatch.setattr(disk_flush, "fsync", fsync)
    lead.send("scout", "hi")

    assert seen == ["hi"]


def test_durability_normal_and_presence_spare_the_disk(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    lead, scout = join("lead", durability="normal"), join("scout", durability="full")
    monkeypatch.setattr(disk_flush, "fsync", mock.Mock(side_effect=AssertionError))

    lead.send("scout", "hi")
    scout.heartbeat()
    (delivery,) = scout.claim()
    scout.extend(delivery)


def test_a_disk_that_takes_no_flush_raises_an_error(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = join("lead", durability="full")
    join("scout")
    monkeypatch.setattr(disk_flush, "fsync", mock.Mock(side_effect=OSError(errno.EIO, "Input/output error")))

    with pytest.raises(StoreError, match="not onto the disk: Input/output error"):
        lead.send("scout", "hi")


def test_threads_that_send_at_the_same_time_share_a_flush(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    lead, watching = join("lead", durability="full"), join("watching")
    join("scout")
    flushes = itertools.count()
    fsync = disk_flush.fsync

    def slow(path: str) -> None:
        if next(flushes) == 0:
            eventually(lambda: watching.queries.stats().messages == 8, "all eight have committed")
        fsync(path)

    monkeypatch.setattr(disk_flush, "fsync", slow)
    with ThreadPoolExecutor(8) as pool:
        for sent in [pool.submit(lead.send, "scout", f"{number}") for number in range(8)]:
            sent.result()

    assert next(flushes) == 2


@pytest.mark.slow
def test_the_log_is_emptied_again_and_again_while_two_programs_are_never_idle(team: Team, join: Join) -> None:
    lead, scout = join("lead", durability="normal"), join("scout", durability="normal")
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            for delivery in scout.claim(100):
                scout.acknowledge(delivery)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        emptied = size = 0
        for _ in range(3000):
            lead.send("scout", "x" * 20_000)
            before, size = size, Path(f"{team.database}-wal").stat().st_size
            emptied += size < before
            if emptied == 2:
                break
        over.set()
        reading.result()

    assert emptied == 2


def test_a_hub_goes_on_after_a_failed_transaction(team: Team) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()

        def send_and_fail() -> None:
            with lead.transaction():
                lead.send("lead", "to nobody")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            send_and_fail()

        assert lead.claim() == []
        lead.send("lead", "to myself")
        assert len(lead.claim()) == 1


def test_a_hub_whose_file_was_removed_goes_on_with_the_new_one(team: Team) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register("daemon")
        assert lead.start_watcher()
        for suffix in ("", "-wal", "-shm"):
            # The watcher closes a removed file, and SQLite then removes its log itself.
            team.database.with_name(f"messages.db{suffix}").unlink(missing_ok=True)
        lead.heartbeat()

        with MessageHub(team, agent="scout") as scout:
            scout.send("lead", "still there?")

        assert lead.wait(TIMEOUT_SECONDS)
        assert [delivery.message.content for delivery in lead.claim()] == ["still there?"]
        assert [agent.kind for agent in lead.agents() if agent.name == "lead"] == ["daemon"]


@pytest.mark.parametrize("verb", ["send", "agents", "the end"])
def test_a_transaction_that_takes_too_long_is_undone_and_the_hub_works_on(
    join: Join, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    lead = join("lead")
    monkeypatch.setattr(store, "MAX_TRANSACTION_SECONDS", math.inf)

    def work() -> None:
        with lead.transaction():
            lead.send("lead", "never")
            monkeypatch.setattr(lead._session.store, "_deadline", 0.0)  # the time is over
            if verb != "the end":
                getattr(lead, verb)(*["lead", "too late"][: 2 if verb == "send" else 0])

    with pytest.raises(StoreError, match=r"took longer than .* and was undone"):
        work()

    assert lead.queries.history() == []
    lead.send("lead", "hi")
    assert [delivery.message.content for delivery in lead.claim()] == ["hi"]


def test_a_process_that_was_stopped_in_a_transaction_stores_nothing_of_it_and_works_on(team: Team) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from teamsup.hub import MessageHub, StoreError, Team\n"
        "from teamsup.hub.engines.sqlite import store\n"
        "store.MAX_TRANSACTION_SECONDS = 0.2\n"
        "hub = MessageHub(Team('crew', Path(sys.argv[1])), agent='lead'); hub.register()\n"
        "try:\n"
        "    with hub.transaction():\n"
        "        hub.send('lead', 'half'); os.kill(os.getpid(), signal.SIGSTOP)\n"
        "except StoreError as error: print(error)\n"
        "hub.send('lead', 'whole'); print(*(message.content for message in hub.queries.history()), flush=True)"
    )
    with OpenCommand([sys.executable, "-c", code, str(team.folder)], stdout=subprocess.PIPE, text=True) as program:
        os.waitid(os.P_PID, program.pid, os.WSTOPPED)
        with closing(sqlite3.connect(team.database, isolation_level=None, timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            ends = time.monotonic() + 0.25
            eventually(lambda: time.monotonic() > ends, "its time is over")
            program.send_signal(signal.SIGCONT)
            said, _ = program.communicate(timeout=TIMEOUT_SECONDS)

    assert "took longer than" in said
    assert said.splitlines()[-1] == "whole"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("a folder", "cannot be opened: Is a directory"),
        ("a long name", "File name too long"),
        ("no files left", "Too many"),
    ],
)
def test_every_obstacle_to_opening_a_store_is_a_sentence(tmp_path: Path, problem: str, reason: str) -> None:
    path = tmp_path / ("x" * 300 if problem == "a long name" else "messages.db")
    if problem == "a folder":
        path.mkdir()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if problem == "no files left":
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        with pytest.raises(StoreError, match=reason):
            Store(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_flush_that_could_not_open_the_log_has_lost_nothing(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = join("lead", durability="full")
    join("scout")
    with monkeypatch.context() as patch:
        patch.setattr(disk_flush, "fsync", mock.Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
        with pytest.raises(StoreError, match="not onto the disk: Too many open files"):
            lead.send("scout", "hi", message_id="m")

    assert lead.send("scout", "hi", message_id="m").id


def test_a_reader_does_not_wait_for_a_writer_of_the_same_process(team: Team) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        blocker = sqlite3.connect(team.database, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=lead.heartbeat)
        writer.start()

        assert [agent.name for agent in lead.agents()] == ["lead"]
        assert writer.is_alive()

        blocker.execute("COMMIT")
        blocker.close()
        writer.join()


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("mount") is None or sys.platform != "linux", reason="needs root to mount a tmpfs"
)
@pytest.mark.parametrize(("options", "reason"), [("size=512k", "disk is full"), ("ro", "cannot be|failed|Cannot make")])
def test_a_file_system_that_takes_nothing_is_said_in_words(tmp_path: Path, options: str, reason: str) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        with pytest.raises(StoreError, match=reason):
            _fill(Team("crew", place / "crew"))
    finally:
        eventually(lambda: subprocess.run(["umount", place], check=False).returncode == 0, "unmounted")


def _fill(team: Team) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        for _ in range(100):
            lead.send("lead", "x" * 20_000)


def test_free_pages_are_given_back_many_at_a_time_but_not_inside_of_a_transaction(team: Team) -> None:
    team.create()
    with closing(Store(team.database, "normal")) as opened:
        with opened.transaction() as db:
            db.execute("CREATE TABLE notes (text)")
            db.executemany("INSERT INTO notes VALUES (?)", [("x" * 900,)] * 500)
            db.execute("DROP TABLE notes")
            assert not opened.vacuum(400)
        (free,) = opened.read("PRAGMA freelist_count")[0]

        assert opened.vacuum(400)

        assert opened.read("PRAGMA freelist_count")[0][0] == free - 400


def test_no_warning_comes_from_a_store_that_is_moved_away_restored_or_refused(tmp_path: Path) -> None:
    code = (
        "import gc, sys; from pathlib import Path\n"
        "from teamsup.hub import MessageHub, StoreError, Team\n"
        "from teamsup.hub.engines.sqlite.restore import restore_backup\n"
        "team = Team('crew', Path(sys.argv[1]) / 'crew'); backup = Path(sys.argv[1]) / 'backup.db'\n"
        "def refused(action):\n"
        "    try: action()\n"
        "    except StoreError: return\n"
        "    raise AssertionError(action)\n"
        "with MessageHub(team, agent='lead') as hub:\n"
        "    hub.register(); assert hub.start_watcher(); hub.send('lead', 'hi'); hub.queries.search('hi')\n"
        "    hub.maintenance.prune(keep=1); hub.maintenance.backup(backup); restore_backup(team, backup)\n"
        "    hub.agents()\n"
        "    away = team.folder.rename(team.folder.with_name('away'))\n"
        "    refused(hub.heartbeat); refused(hub.start_watcher)\n"
        "    away.rename(team.folder)\n"
        "    for suffix in ('', '-wal', '-shm'): Path(f'{team.database}{suffix}').unlink(missing_ok=True)\n"
        "    hub.register()\n"
        "team.database.write_bytes(b'damaged' * 1000); refused(lambda: MessageHub(team)); gc.collect()\n"
    )
    program = [sys.executable, "-W", "error", "-X", "dev", "-c", code, str(tmp_path)]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)

    assert (result.returncode, result.stderr) == (0, "")
