"""A waiting reader is woken: by a doorbell, by the team's watcher, and in the worst case by the slow look."""

import asyncio
import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from watchfiles._rust_notify import RustNotify

from helpers.support import TIMEOUT_SECONDS, eventually, run_foreign_sql
from soak.wakeups import count_missed
from teamsup.hub import MessageHub, StoreError, Team
from teamsup.hub.engines.sqlite.foreign_writes import Pauses
from teamsup.hub.wakeup.doorbell import PRESENCE_TOPIC, Doorbells, open_doorbell
from teamsup.hub.wakeup.file_lock import try_lock

Join = Callable[..., MessageHub]


def test_a_bell_rings_for_its_agent_only(team: Team) -> None:
    team.create()
    with open_doorbell(team.run, "scout") as scout, open_doorbell(team.run, "scribe") as scribe:
        Doorbells(team.run).ring(["scout"])

        assert scout.wait(TIMEOUT_SECONDS)
        assert not scribe.wait(0)
        assert not scout.wait(0)


def test_every_reader_of_an_agent_is_woken(team: Team) -> None:
    team.create()
    with open_doorbell(team.run, "scout") as first, open_doorbell(team.run, "scout") as second:
        Doorbells(team.run).ring(["scout"])

        assert first.wait(TIMEOUT_SECONDS)
        assert second.wait(TIMEOUT_SECONDS)


def test_a_bell_with_a_topic_rings_for_both_and_is_taken_down_with_it(join: Join, team: Team) -> None:
    with open_doorbell(team.run, "boss", PRESENCE_TOPIC) as bell:
        scout = join("scout")
        assert bell.wait(TIMEOUT_SECONDS)
        scout.heartbeat()
        assert not bell.wait(0)
        scout.heartbeat("offline")
        assert bell.wait(TIMEOUT_SECONDS)
        Doorbells(team.run).ring(["boss"])
        assert bell.wait(TIMEOUT_SECONDS)
    assert not list(team.run.glob("*@*"))


def test_a_topic_that_was_taken_down_is_put_up_again(join: Join, team: Team) -> None:
    team.create()
    with open_doorbell(team.run, "boss", PRESENCE_TOPIC) as bell:
        for link in team.run.glob(f"{PRESENCE_TOPIC}@*"):
            link.unlink()
        assert not bell.wait(0)
        join("scout")
        assert bell.wait(TIMEOUT_SECONDS)


def test_many_rings_neither_block_nor_add_up(team: Team) -> None:
    team.create()
    with open_doorbell(team.run, "scout") as bell:
        for _ in range(10_000):
            Doorbells(team.run).ring(["scout"])

        assert bell.wait(0)
        assert not bell.wait(0)


def test_a_doorbell_that_is_bound_later_is_rung_too(team: Team) -> None:
    team.create()
    bells = Doorbells(team.run)
    with open_doorbell(team.run, "scout") as first:
        long_ago = os.stat(team.run).st_mtime - 3600
        os.utime(team.run, (long_ago, long_ago))
        bells.ring(["scout"])
        assert first.wait(TIMEOUT_SECONDS)

        with open_doorbell(team.run, "scout") as second:
            bells.ring(["scout"])

            assert first.wait(TIMEOUT_SECONDS)
            assert second.wait(TIMEOUT_SECONDS)


def test_a_doorbell_is_rung_although_the_time_of_its_folder_was_set_back(team: Team) -> None:
    team.create()
    bells = Doorbells(team.run)
    long_ago = os.stat(team.run).st_mtime - 3600.5
    os.utime(team.run, (long_ago, long_ago))
    bells.ring(["scout"])
    with open_doorbell(team.run, "scout") as bell:
        os.utime(team.run, (long_ago, long_ago))
        bells.ring(["scout"])

        assert bell.wait(TIMEOUT_SECONDS)


def test_two_bells_that_are_put_up_at_the_same_moment_are_both_noticed(team: Team) -> None:
    team.create()
    bells = Doorbells(team.run)
    with open_doorbell(team.run, "scout") as first:
        moment = os.stat(team.run).st_mtime_ns
        bells.ring(["scout"])
        with open_doorbell(team.run, "scout") as second:
            os.utime(team.run, ns=(moment, moment))
            bells.ring(["scout"])

            assert first.wait(TIMEOUT_SECONDS)
            assert second.wait(TIMEOUT_SECONDS)


def test_the_bell_of_a_dead_process_is_taken_away(team: Team) -> None:
    team.create()
    dead = team.run / "scout@1.0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abandoned:
        abandoned.bind(str(dead))

    Doorbells(team.run).ring(["scout"])

    assert not dead.exists()


def test_no_file_of_a_dead_process_is_left_when_all_doorbells_are_rung(team: Team) -> None:
    team.create()
    for name in ("boss@1.0", "session-7@2.0"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abandoned:
            abandoned.bind(str(team.run / name))
    (team.run / f"{PRESENCE_TOPIC}@1.0").symlink_to("boss@1.0")
    (team.run / f"{PRESENCE_TOPIC}@3.0").symlink_to("gone@3.0")

    with open_doorbell(team.run, "scout", PRESENCE_TOPIC) as alive:
        Doorbells(team.run).ring_all()
        Doorbells(team.run).ring_all()

        assert alive.wait(TIMEOUT_SECONDS)
        links = {path.name for path in team.run.glob(f"{PRESENCE_TOPIC}@*")}
        assert {path.name for path in team.run.glob("*@*")} == {alive.path.name, *links}
        assert len(links) == 1


def test_a_long_name_and_a_deep_folder_still_have_a_bell(tmp_path: Path) -> None:
    deep = Team("crew", tmp_path.joinpath(*["deeper-and-deeper"] * 8) / "crew")
    name = "x" * 64
    with MessageHub(deep, agent="lead") as lead, MessageHub(deep, agent=name) as reader:
        reader.register()
        with open_doorbell(deep.run, name) as bell:
            lead.send(name, "hi")

            assert bell.wait(TIMEOUT_SECONDS)
            assert len(os.fsencode(bell.path)) <= 100
    shutil.rmtree(deep.run)


def test_a_run_folder_that_was_cleaned_up_is_made_again(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    shutil.rmtree(scout.team.run)

    assert not scout.wait(0)
    assert scout.team.run.exists()
    lead.send("scout", "hi")
    assert scout.wait(0)


def test_a_listener_whose_bell_was_taken_down_puts_it_up_again(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    heard: list[str] = []

    def listen() -> None:
        heard.extend(delivery.message.content for delivery in itertools.islice(scout.listen(20), 1))

    listener = threading.Thread(target=listen)
    listener.start()
    (bell,) = eventually(lambda: list(scout.team.run.glob("scout@*")), "the listener waits")
    bell.unlink()
    eventually(bell.exists, "the bell is up again")
    lead.send("scout", "hi")
    listener.join()
    assert heard == ["hi"]


async def test_a_bell_that_cannot_be_put_up_again_at_present_ends_no_wait(join: Join) -> None:
    scout = join("scout")
    run = scout.team.run
    with open_doorbell(run, "scout") as bell:
        shutil.rmtree(run)
        run.touch()

        assert not bell.wait(0)
        assert not await bell.wait_async(0)

        run.unlink()
        assert not bell.wait(0)
        Doorbells(run).ring(["scout"])
        assert bell.wait(TIMEOUT_SECONDS)


def test_a_waiting_reader_is_woken_by_a_send(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    woken = threading.Event()

    def read() -> None:
        if scout.wait(TIMEOUT_SECONDS):
            woken.set()

    reader = threading.Thread(target=read)
    reader.start()
    eventually(lambda: list(scout.team.run.glob("scout@*")), "the reader waits")
    lead.send("scout", "hi")
    reader.join()
    assert woken.is_set()


async def test_a_wait_on_an_event_loop_leaves_the_loop_free(join: Join) -> None:
    lead, scout = join("lead"), join("scout")

    waiting = asyncio.create_task(scout.wait_async(TIMEOUT_SECONDS))
    await asyncio.sleep(0)
    lead.send("scout", "hi")
    assert await waiting


async def test_a_cancelled_wait_leaves_no_bell(join: Join) -> None:
    scout = join("scout")

    waiting = asyncio.create_task(scout.wait_async())
    await asyncio.sleep(0)
    assert list(scout.team.run.glob("scout@*"))
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert not list(scout.team.run.glob("scout@*"))


def test_a_wait_ends_when_its_time_is_over(join: Join) -> None:
    assert not join("scout").wait(0)


def test_a_wait_ends_when_a_backoff_ends(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "hi")
    (delivery,) = scout.claim()
    scout.release(delivery, error="later", delay=0.05)

    assert scout.wait(TIMEOUT_SECONDS)
    assert len(scout.claim()) == 1


def test_one_process_watches_and_when_it_is_killed_another_takes_over(join: Join, team: Team) -> None:
    scout = join("scout")
    watcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from teamsup.hub import MessageHub, Team;"
            "hub = MessageHub(Team('crew', Path(sys.argv[1])))\n"
            "print(hub.start_watcher(), flush=True); sys.stdin.read()",
            str(team.folder),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "True\n"
        assert not scout.start_watcher()
        watcher.send_signal(signal.SIGKILL)

    eventually(scout.start_watcher, "the lock is free")
    with open_doorbell(team.run, "scout") as bell:
        run_foreign_sql(
            team, "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'scout', 'hi')"
        )
        assert bell.wait(TIMEOUT_SECONDS)


def test_foreign_writers_are_noticed_again_after_the_last_connection_closed(team: Team) -> None:
    with MessageHub(team, agent="scout") as scout:
        scout.register()
    assert not team.database.with_name("messages.db-wal").exists()
    with MessageHub(team, agent="scout") as scout:
        assert scout.start_watcher()
        for number in range(3):
            with open_doorbell(team.run, "scout") as bell:
                run_foreign_sql(
                    team,
                    "INSERT INTO messages (message_id, sender, recipient, content) VALUES (?, 'cron', 'scout', 'hi')",
                    str(number),
                )
                assert bell.wait(TIMEOUT_SECONDS)


def test_a_process_that_ends_without_closing_its_hub_ends_in_order_while_it_watches(team: Team) -> None:
    program = (
        "import sys; from pathlib import Path; from teamsup.hub import MessageHub, Team;"
        "hub = MessageHub(Team('crew', Path(sys.argv[1]))); sys.exit(0 if hub.start_watcher() else 1)"
    )
    ended = subprocess.run([sys.executable, "-c", program, team.folder], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.only_sqlite("PostgreSQL needs no watchfiles")
def test_only_the_process_that_watches_loads_watchfiles_and_only_its_extension(team: Team) -> None:
    program = (
        "import sys; from pathlib import Path; from teamsup.hub import MessageHub, Team;"
        "hub = MessageHub(Team('crew', Path(sys.argv[1])), agent='scout'); hub.wait(0);"
        "loaded = lambda: [name for name in ('watchfiles._rust_notify', 'anyio') if name in sys.modules];"
        "before = loaded(); hub.start_watcher(); print(before, loaded())"
    )
    ended = subprocess.run([sys.executable, "-c", program, team.folder], capture_output=True, text=True, check=True)

    assert ended.stdout == "[] ['watchfiles._rust_notify']\n"


class _CountedPauses(Pauses):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def is_set(self) -> bool:
        self.count += 1
        return super().is_set()


def test_watchfiles_looks_no_more_than_twice_a_pause(tmp_path: Path) -> None:
    events = RustNotify([str(tmp_path)], False, False, 0, False, False)
    pauses = _CountedPauses()
    pauses.set_length(10)

    assert events.watch(0, 0, 200, pauses) == "timeout"
    assert pauses.count <= 2 * 200 / 10 + 2


def test_watchfiles_returns_an_event_without_a_pause_between_its_two_looks(tmp_path: Path) -> None:
    events = RustNotify([str(tmp_path)], False, False, 0, False, False)
    pauses = _CountedPauses()
    pauses.set_length(50)
    (tmp_path / "file").touch()

    assert isinstance(events.watch(0, 0, 10_000, pauses), set)
    assert pauses.count % 2 == 0


@pytest.mark.only_sqlite("PostgreSQL watches no files")
def test_a_file_whose_name_is_not_text_ends_the_watch_only_until_somebody_takes_it_over(join: Join, team: Team) -> None:
    scout = join("scout")
    assert scout.start_watcher()
    thread = scout._session._watcher._thread
    assert thread is not None
    Path(os.fsdecode(os.fsencode(team.folder) + b"/\xff")).touch()
    eventually(lambda: not thread.is_alive(), "watchfiles refuses the name")

    assert scout.start_watcher()
    with open_doorbell(team.run, "scout") as bell:
        run_foreign_sql(
            team, "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'scout', 'hi')"
        )
        assert bell.wait(TIMEOUT_SECONDS)


@pytest.mark.only_sqlite("PostgreSQL numbers no commits: it rings")
@pytest.mark.slow
def test_every_commit_of_every_writer_is_noticed(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    heard = count_missed(team, commits=2000)

    with capsys.disabled():
        print(" wake-ups that only a slow look would have caught:", {each.writer: each.missed for each in heard})
    assert [each.commits for each in heard] == [500] * 4
    assert all(each.missed == 0 for each in heard if each.writer.startswith("ours"))
    # The slow look is there for these few; an event of the file system is not certain.
    assert sum(each.missed for each in heard) <= 5


def test_a_bell_or_a_lock_that_no_descriptor_is_left_for_is_refused_in_a_sentence(join: Join) -> None:
    scout = join("scout")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        with pytest.raises(StoreError, match="No doorbell can be made: Too many open files"):
            scout.wait(1)
        with pytest.raises(StoreError, match="cannot be locked: Too many open files"):
            try_lock(scout.team.run / "some.lock")
        assert not scout.start_watcher()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
