"""Who runs and cannot do its work says so, and what is not known never looks fine."""

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, run_foreign_sql
from teamsup.claude_code.rendering import render_agent
from teamsup.config.components import installed_components
from teamsup.hub import Agent, MessageHub, Team
from teamsup.status import state_file, team_lock
from teamsup.status.degradation import degradation_reason
from teamsup.status.state_file import TeamState, WorkerState
from teamsup.supervisor.health.troubles import Troubles
from teamsup.terminal.formatting import describe_presence
from teamsup.workers.user_comm.commands import render_agents, render_status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWN = WorkerState("own", "RUNNING", 1, NOW.timestamp() - 60, 0, "", None, ())
DEGRADED = Agent("own", "agent", "degraded", NOW, {"note": "no route to the exchange"}, 0)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("worker", "agent", "reason"),
    [
        (OWN, None, ""),
        (OWN, replace(DEGRADED, status="online"), ""),
        (OWN, DEGRADED, "no route to the exchange"),
        (OWN, replace(DEGRADED, metadata={"reason": "port 1 is taken", "note": "CPU 3 %"}), "port 1 is taken"),
        (OWN, replace(DEGRADED, metadata={}), "it does not say why"),
        (OWN, replace(DEGRADED, last_heartbeat=None), ""),
        (OWN, replace(DEGRADED, last_heartbeat=ago(31)), ""),
        (replace(OWN, heartbeat_seconds=120), replace(DEGRADED, last_heartbeat=ago(31)), "no route to the exchange"),
        (replace(OWN, started_at=NOW.timestamp() - 3), replace(DEGRADED, last_heartbeat=ago(10)), ""),
        (
            replace(OWN, started_at=NOW.timestamp() + 3600),
            replace(DEGRADED, last_heartbeat=ago(10)),
            "no route to the exchange",
        ),
        (replace(OWN, state="STOPPED"), DEGRADED, ""),
    ],
)
def test_a_worker_is_degraded_by_its_own_fresh_word_alone(
    worker: WorkerState, agent: Agent | None, reason: str
) -> None:
    assert degradation_reason(worker, agent, NOW) == reason


def test_presence_says_since_when_somebody_is_degraded() -> None:
    known = replace(DEGRADED, metadata={"degraded_since": "2026-03-01 11:57:00.000"})

    assert describe_presence(known, NOW) == "degraded for 3m 0s"
    assert describe_presence(DEGRADED, NOW) == "degraded"
    assert (
        describe_presence(replace(known, last_heartbeat=ago(60)), NOW) == "silent, last seen 1m 0s ago, degraded then"
    )


def test_people_and_models_who_ask_get_the_reason(team: Team) -> None:
    with MessageHub(team, agent="feed") as hub:
        hub.register("daemon", "degraded", reason="The port is taken.", note="CPU 3 %")
        (feed,) = hub.agents()

    assert render_agents([feed], datetime.now(UTC)) == "feed: degraded for 0s (The port is taken.)"
    own = replace(feed, name="own", kind="agent")
    well = replace(own, name="lead", status="online", metadata={})
    told = render_status([feed, own, well], [], [], datetime.now(UTC))
    assert told.splitlines()[:2] == [f"{name}: degraded for 0s (The port is taken.)" for name in ("feed", "own")]
    assert "lead" not in told
    assert render_agent(feed, "lead") == "feed: degraded for 0s (The port is taken.)"


def test_the_hub_notes_since_when_and_forgets_it_with_the_trouble(team: Team) -> None:
    now = NOW.timestamp()
    with MessageHub(team, agent="own", clock=lambda: now) as hub:

        def since() -> datetime | None:
            (agent,) = hub.agents()
            return agent.degraded_since

        hub.register(note="all is well")
        hub.heartbeat("degraded", note="why")
        now += 60
        hub.heartbeat("degraded", note="another reason")
        assert (since(), hub.agents()[0].degraded) == (NOW, "another reason")
        hub.heartbeat("degraded")
        assert hub.agents()[0].note == "another reason"
        now += 60
        hub.heartbeat()
        assert (since(), hub.agents()[0].degraded) == (None, "")
        now += 60
        hub.heartbeat("degraded", note="again")
        assert since() == NOW + timedelta(seconds=180)


async def test_a_mistake_of_the_supervisors_own_is_a_trouble_until_it_goes_well() -> None:
    said: list[str] = []
    troubles, looks = Troubles(said.append, lambda: None), iter([ValueError("odd"), ValueError("odd"), None])

    async def look() -> None:
        if (error := next(looks)) is not None:
            raise error

    await troubles.attempt(look, "Memory is not watched")
    assert str(troubles) == "Memory is not watched: ValueError: odd."
    since = troubles.since
    await troubles.attempt(look, "Memory is not watched")
    assert troubles.since == since
    await troubles.attempt(look, "Memory is not watched")
    assert (str(troubles), troubles.since) == ("", None)
    assert said == ["Memory is not watched: ValueError: odd.", "over: Memory is not watched: ValueError: odd."]


@pytest.fixture
def supervised(teamsup: TeamsupCommand) -> Iterator[Callable[..., None]]:
    """Publishes what a supervisor would, in the name of this process, which holds the team."""
    teamsup.team.create()
    MessageHub(teamsup.team).close()
    lock = os.open(teamsup.team.folder / "supervisor.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, f"{os.getpid()}\n".encode().ljust(1000))

    def publish(*workers: WorkerState, **known: object) -> None:
        beat(teamsup, "supervisor")
        state = TeamState(os.getpid(), time.time(), workers, **known)  # type: ignore[arg-type]
        state_file.write_state(teamsup.team, state)

    yield publish
    os.close(lock)


def beat(teamsup: TeamsupCommand, name: str, status: str = "online", ahead: float = 0, **metadata: str) -> None:
    """A heartbeat of somebody who goes on, by a clock that is so many seconds ahead."""
    hub = MessageHub(teamsup.team, agent=name, clock=lambda: time.time() + ahead)
    hub.heartbeat(status, **metadata)
    hub.close()


def running(name: str, heartbeat_seconds: float | None = None) -> WorkerState:
    return WorkerState(name, "RUNNING", os.getpid(), time.time() - 60, 0, "", heartbeat_seconds, ())


def test_ps_shows_who_is_degraded_and_why_and_ends_with_4(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised(running("feed", 30), running("own"))
    beat(teamsup, "feed", "degraded", reason="cannot hear the sources: the port is taken", note="CPU 3 %")
    beat(teamsup, "own")
    run_foreign_sql(
        teamsup.team,
        "UPDATE agent_status SET status = 'degraded', last_heartbeat = CURRENT_TIMESTAMP,"
        """ metadata = '{"note": "no route"}' WHERE agent_name = 'own'""",
    )

    rows = teamsup.ps()
    table = teamsup.run("ps")

    assert (rows["feed"]["state"], rows["feed"]["note"]) == ("DEGRADED", "cannot hear the sources: the port is taken")
    assert rows["feed"]["degraded_seconds"] >= 0
    assert (rows["own"]["state"], rows["own"]["note"]) == ("DEGRADED", "no route")
    assert rows["own"]["degraded_seconds"] is None
    assert "the port is taken (for " in table.stdout
    assert table.returncode == 4
    assert teamsup.run("ps", "own").returncode == 4
    assert teamsup.run("ps", "supervisor").returncode == 0


def test_the_statement_of_the_documentation_degrades_a_worker_that_the_hub_did_not_know(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised(running("price-watch"))
    page = (Path(__file__).parents[2] / "docs" / "supervisor.md").read_text("utf-8")
    statement = page[page.index("    INSERT INTO agent_status") :]

    for _ in range(2):
        run_foreign_sql(teamsup.team, statement[: statement.index(";")])

    shown = teamsup.ps()["price-watch"]
    assert (shown["state"], shown["note"], shown["well"]) == ("DEGRADED", "why", False)


def test_ps_shows_no_note_of_an_earlier_process(teamsup: TeamsupCommand, supervised: Callable[..., None]) -> None:
    beat(teamsup, "own", ahead=-120, note="the exchange has refused the key")
    supervised(running("own"))

    assert teamsup.ps()["own"]["note"] == ""


def test_an_agent_of_its_own_that_is_degraded_is_unwell_while_its_word_is_fresh(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised()
    beat(teamsup, "probe", "degraded", note="its camera is dark")
    assert (teamsup.run("ps").returncode, teamsup.ps()["probe"]["state"]) == (4, "DEGRADED")

    run_foreign_sql(teamsup.team, "UPDATE agent_status SET last_heartbeat = '2026-01-01' WHERE agent_name='probe'")

    probe_row = teamsup.ps()["probe"]
    assert (probe_row["state"], probe_row["note"]) == ("offline", "degraded when last seen: its camera is dark")
    assert (probe_row["well"], probe_row["degraded_seconds"]) == (True, None)


def test_the_supervisors_own_trouble_is_shown_also_when_the_hub_does_not_know_it(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised(trouble="The disk is full.", trouble_since=time.time() - 75)

    ps = teamsup.run("ps")

    assert ps.returncode == 4
    assert "DEGRADED" in ps.stdout
    assert "The disk is full. (for 1m 1" in ps.stdout


def test_a_full_disk_is_reported_in_a_file_that_has_its_place_already(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised()
    size = (teamsup.team.folder / "supervisor.lock").stat().st_size

    team_lock.leave_word(teamsup.team, "The disk is full. " + "é" * 1000)

    assert (teamsup.run("ps").returncode, own_trouble(teamsup)[:18]) == (4, "The disk is full. ")
    team_lock.leave_word(teamsup.team, "")
    assert (teamsup.run("ps").returncode, own_trouble(teamsup)) == (0, "")
    assert (teamsup.team.folder / "supervisor.lock").stat().st_size == size


def test_a_supervisor_that_has_missed_three_heartbeats_is_unknown(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised()
    beat(teamsup, "supervisor", ahead=-16)

    shown = teamsup.ps()["supervisor"]

    assert shown["state"] == "unknown"
    assert re.fullmatch(r"no heartbeat for \d+s", shown["note"])


def test_an_unknown_state_never_looks_fine(teamsup: TeamsupCommand, supervised: Callable[..., None]) -> None:
    def looks(name: str) -> tuple[int, str, str]:
        ps = teamsup.run("ps", name, "--json")
        (row,) = json.loads(ps.stdout)["rows"]
        return ps.returncode, row["state"], row["note"]

    supervised(running("own", 30))
    assert looks("own") == (4, "unknown", "no heartbeat has arrived")
    beat(teamsup, "own", ahead=6 * 3600)
    code, state, note = looks("own")
    assert (code, state) == (4, "unknown")
    assert note.startswith(("its last heartbeat is 5h 59m ahead", "its last heartbeat is 6h"))
    beat(teamsup, "own", ahead=-45)
    assert looks("own")[:2] == (4, "unknown")
    beat(teamsup, "own")
    assert looks("own") == (0, "RUNNING", "")
    supervised(replace(running("own", 30), pid=2**22 + 1))
    assert looks("own") == (4, "unknown", "its process is gone, and its state was RUNNING")
    (teamsup.team.folder / "supervisor.json").write_text("half of")
    assert looks("supervisor") == (4, "unknown", "it runs, but its published state cannot be read")


def test_a_database_that_is_gone_or_cannot_be_read_is_unknown_and_says_why(
    teamsup: TeamsupCommand, supervised: Callable[..., None]
) -> None:
    supervised(running("own", 30), running("deaf"))
    teamsup.team.database.rename(teamsup.home / "away")
    gone = teamsup.run("ps", "--json")
    teamsup.team.database.write_text("a letter to my aunt" * 100)
    broken = teamsup.run("ps", "--json")

    for ps, why in ((gone, "messages.db is gone."), (broken, "messages.db is not a SQLite database.")):
        report = json.loads(ps.stdout)
        states = {row["name"]: (row["state"], row["note"]) for row in report["rows"]}
        assert ps.returncode == 4
        assert report["trouble"].endswith(why)
        assert ps.stderr == f"teamsup: {report['trouble']}\n"
        assert states["own"] == states["supervisor"] == ("unknown", "its heartbeats cannot be read")
        assert states["deaf"] == ("RUNNING", "")


UNWELL = """
import os, pathlib, time
from teamsup.hub import MessageHub
hub = MessageHub(agent="own")
while True:
    status = "degraded" if pathlib.Path("broken").exists() else "online"
    hub.heartbeat(status, pid=os.getpid(), note="no route to\\nREADY=1 the exchange")
    time.sleep(0.1)
"""


def test_a_worker_of_the_users_own_says_that_it_is_degraded_and_every_view_shows_it(
    run_workers: Callable[[str], TeamsupCommand],
    teamsup: TeamsupCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        port = taken.getsockname()[1]
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        command = json.dumps([sys.executable, "-c", UNWELL])
        run_workers(
            f"[metrics]\nport = {port}\n[worker.own]\ncommand = {command}\ndirectory = '{tmp_path}'\n"
            "heartbeat_seconds = 2\n"
        )

        def heard(condition: Callable[[str], bool]) -> str:
            while True:
                for line in manager.recv(4096).decode().splitlines():
                    if line.startswith("STATUS=") and condition(line):
                        return line

        line = heard(lambda line: "own: no route" in line)
        assert line.endswith("own: no route to READY=1 the exchange")
        assert "No metrics on 127.0.0.1 port" in line
        assert eventually(lambda: teamsup.ps()["supervisor"]["state"] == "DEGRADED", "the supervisor's trouble")
        answer = asked(teamsup)
        assert "supervisor: DEGRADED, No metrics on 127.0.0.1 port" in answer
        assert "own: DEGRADED, no route to\nREADY=1 the exchange" in answer
        taken.close()

        def figures() -> str:
            try:
                return str(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read(), "utf-8")
            except OSError:
                return ""

        text = eventually(figures, "the metrics, now that the port is free")
        assert 'teamsup_degraded{agent="own"} 1\n' in text
        broken.unlink()
        assert heard(lambda line: "own:" not in line) == f"STATUS=1 of {1 + len(installed_components())} workers run"
        eventually(lambda: teamsup.run("ps").returncode == 0, "all is well again")
        assert 'teamsup_degraded{agent="own"} 0\n' in figures()


def asked(teamsup: TeamsupCommand) -> str:
    """What the supervisor answers to 'status'."""
    with MessageHub(teamsup.team, agent="console-test") as hub:
        hub.register("console")
        hub.send("supervisor", "status")
        (delivery,) = hub.claim() if hub.wait(TIMEOUT_SECONDS) else []
        hub.acknowledge(delivery)
    return delivery.message.content


@pytest.mark.slow
def test_a_state_that_cannot_be_written_is_reported_by_the_hub(
    run_workers: Callable[[str], TeamsupCommand], teamsup: TeamsupCommand
) -> None:
    run_workers("[worker.own]\ncommand = ['/bin/sleep', '1000']\nstart_seconds = 0.1\n")
    eventually(lambda: teamsup.ps()["own"]["state"] == "RUNNING", "a state")
    away = teamsup.team.folder / "supervisor.new"
    away.mkdir()
    teamsup.run("stop", "own")

    reason = eventually(lambda: own_trouble(teamsup), "the supervisor's trouble")

    assert reason.startswith("'teamsup ps' shows old states, because they cannot be written: ")
    assert teamsup.run("ps").returncode == 4
    away.rmdir()
    eventually(lambda: teamsup.ps()["own"]["state"] == "STOPPED", "the new state")
    eventually(lambda: teamsup.run("ps").returncode == 0, "all is well again")


def own_trouble(teamsup: TeamsupCommand) -> str:
    row = teamsup.ps()["supervisor"]
    return str(row["note"]) if row["state"] == "DEGRADED" else ""


def test_ps_goes_on_looking_through_a_trouble(teamsup: TeamsupCommand, supervised: Callable[..., None]) -> None:
    supervised(running("own", 30))
    teamsup.team.database.write_text("a letter to my aunt" * 100)
    with subprocess.Popen(
        teamsup.line("ps", "--watch"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=teamsup.environment,
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        process.terminate()
    assert all(line.endswith("messages.db is not a SQLite database.\n") for line in lines)
