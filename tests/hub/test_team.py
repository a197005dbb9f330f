"""A team's folder: whose it may be, and what programs do while it is away."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import run_team
from helpers.support import TIMEOUT_SECONDS, OpenCommand, TeamsupCommand, eventually, refusal_of
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, NotConfigured, StaleLease, StoreError, StoreUnavailable, Team
from teamsup.hub.errors import UnsafeFile
from teamsup.hub.models import Delivery
from teamsup.hub.team import CONFIGURATION_VARIABLE

pytestmark = pytest.mark.only_sqlite("about the folder and the file of a team")

Join = Callable[..., MessageHub]
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_is_refused_with_the_command_that_mends_it(team: Team, mode: int) -> None:
    team.folder.mkdir()
    team.folder.chmod(mode)

    with pytest.raises(UnsafeFile, match="may be written by other users") as refused:
        MessageHub(team)

    subprocess.run(str(refused.value).rpartition(": ")[2], shell=True, check=True)  # noqa: S602
    MessageHub(team).close()


def test_a_database_that_others_may_write_is_refused(team: Team) -> None:
    MessageHub(team).close()
    team.database.chmod(0o620)

    with pytest.raises(UnsafeFile, match=f"chmod go-w {team.database}"):
        MessageHub(team)


def test_a_configuration_that_others_may_write_is_refused(team: Team) -> None:
    team.create()
    team.configuration.write_text("[team]\n")
    team.configuration.chmod(0o664)

    with pytest.raises(NotConfigured, match=f"chmod go-w {team.configuration}"):
        Config(team)
    team.configuration.chmod(0o644)
    Config(team)


@needs_root
@pytest.mark.parametrize("name", ["", "messages.db"])
def test_a_file_of_another_user_is_refused(team: Team, name: str) -> None:
    MessageHub(team).close()
    os.chown(team.folder / name, 1, 1)

    with pytest.raises(UnsafeFile, match=r"belongs to daemon, but root runs this program\. Run it as daemon, or"):
        MessageHub(team)


@needs_root
def test_a_configuration_of_another_user_is_refused_by_the_command(teamsup: TeamsupCommand) -> None:
    teamsup.configure("")
    os.chown(teamsup.team.configuration, 4242, 1)

    result = teamsup.run("start")

    assert result.returncode == os.EX_NOPERM
    assert "belongs to uid 4242" in refusal_of(result)


def test_while_the_folder_is_away_nothing_is_made_and_afterwards_everything_goes_on(join: Join, team: Team) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "before")
    away = team.folder.rename(team.folder.with_name("away"))

    for action in (lambda: lead.send("scout", "lost"), lead.heartbeat, scout.agents, scout.claim, scout.data_version):
        with pytest.raises(StoreUnavailable, match="is not there at present"):
            action()
    assert not team.folder.exists()

    away.rename(team.folder)
    lead.send("scout", "after")
    assert [delivery.message.content for delivery in scout.claim(10)] == ["before", "after"]


def test_an_empty_folder_in_its_place_as_without_a_mount_gets_no_database(join: Join, team: Team) -> None:
    lead = join("lead")
    away = team.folder.rename(team.folder.with_name("away"))
    team.folder.mkdir()

    with pytest.raises(StoreUnavailable):
        lead.heartbeat()

    assert not list(team.folder.iterdir())
    team.folder.rmdir()
    away.rename(team.folder)
    lead.heartbeat()


def test_a_worker_that_starts_while_the_folder_is_away_makes_none(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIGURATION_VARIABLE, str(team.accepted_configuration))

    with pytest.raises(StoreUnavailable):
        MessageHub(team)

    assert not team.folder.exists()


def test_a_copy_of_the_folder_in_its_place_is_used(join: Join, team: Team, tmp_path: Path) -> None:
    lead = join("lead")
    lead.send("lead", "hi")
    lead.maintenance.backup(tmp_path / "copy.db")
    shutil.rmtree(team.folder)
    team.create()
    (tmp_path / "copy.db").rename(team.database)

    assert [delivery.message.content for delivery in lead.claim()] == ["hi"]


def test_a_folder_that_was_copied_with_its_log_has_its_newest_messages(join: Join, team: Team, tmp_path: Path) -> None:
    join("lead").send("lead", "hi")
    # In another process: here, closing the files would drop SQLite's locks.
    subprocess.run(["cp", "-a", str(team.folder), str(tmp_path / "copy")], check=True)

    with MessageHub(Team("crew", tmp_path / "copy"), agent="lead") as lead:
        assert [delivery.message.content for delivery in lead.claim()] == ["hi"]
        assert lead.maintenance.check_integrity() == []


def test_a_file_that_cannot_be_looked_up_or_opened_now_is_tried_again(join: Join, team: Team) -> None:
    lead = join("lead")
    other = team.folder.with_name("other")
    team.folder.rename(other)
    team.folder.write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        lead.heartbeat()
    team.folder.unlink()
    other.rename(team.folder)
    lead.heartbeat()

    for suffix in ("", "-wal", "-shm"):
        team.database.with_name(f"messages.db{suffix}").unlink()
    team.database.mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        lead.heartbeat()
    team.database.rmdir()
    lead.heartbeat()


def test_a_listener_and_a_sender_go_on_when_the_folder_was_away_for_a_moment(join: Join, team: Team) -> None:
    scout = join("scout")
    code = (
        "import sys, time; from pathlib import Path; from teamsup.hub import MessageHub, StoreError, Team\n"
        "hub = MessageHub(Team('crew', Path(sys.argv[1])), agent='lead')\n"
        "for number in range(int(sys.argv[2])):\n"
        "    while True:\n"
        "        try: hub.send('scout', str(number), message_id=f'm{number}')\n"
        "        except StoreError: print('away', flush=True); time.sleep(0.005)\n"
        "        else: break\n"
        "    time.sleep(0.001)\n"
    )
    heard: list[str] = []

    def listen() -> None:
        for delivery in itertools.islice(scout.listen(20), 300):
            heard.append(delivery.message.content)
            eventually(lambda: acknowledged(delivery), "it is back")  # noqa: B023

    def acknowledged(delivery: Delivery) -> bool:
        try:
            scout.acknowledge(delivery)
        except StaleLease:  # it was stored, and the folder went away before the disk had it
            return True
        except StoreError:
            return False
        return True

    listener = threading.Thread(target=listen)
    listener.start()
    program = [sys.executable, "-c", code, str(team.folder), "300"]
    with OpenCommand(program, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        eventually(lambda: len(heard) > 50, "the listener hears")
        away = team.folder.rename(team.folder.with_name("away"))
        assert sender.stdout.readline() == "away\n"
        away.rename(team.folder)
        assert sender.wait(TIMEOUT_SECONDS) == 0
    listener.join()

    assert sorted(heard, key=int) == [str(number) for number in range(300)]


@pytest.mark.slow
def test_a_team_whose_folder_was_away_is_well_again_when_it_is_back(teamsup: TeamsupCommand) -> None:
    folder = teamsup.team.folder
    folder.mkdir(parents=True)
    # The gateway is held, because it has no token; so the supervisor looks whether teamsup.toml was mended.
    off = "autostart = false"
    teamsup.team.configuration.write_text(f"[worker.user_comm]\n{off}\n[worker.monitor-bridge]\n{off}\n")

    def is_well() -> bool:
        states = {name: row["state"] for name, row in teamsup.ps().items()}
        return (states.get("supervisor"), states.get("gateway")) == ("RUNNING", "not configured")

    with run_team(teamsup):
        eventually(is_well, "the team")
        away = folder.rename(folder.with_name("away"))
        log = away / "logs" / "supervisor.log"
        eventually(lambda: "saved teamsup.toml is not in use" in log.read_text(), "the configuration is missed")
        assert not folder.exists()
        away.rename(folder)

        eventually(is_well, "all is as before")
