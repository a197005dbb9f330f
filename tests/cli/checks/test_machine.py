"""What doctor finds about the machine."""

import contextlib
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from teamsup.cli.checks.machine import (
    check_clock,
    check_file_system,
    check_journal,
    check_machine,
    check_sockets,
    check_watches,
)
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.choice import read_journal_mode
from teamsup.terminal.findings import Verdict
from teamsup.terminal.formatting import format_moment

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED
NOW = datetime(2030, 1, 15, 10, tzinfo=UTC)
MOUNTS = [("/", "ext4"), ("/home", "nfs4"), ("/home/ann/local", "xfs"), ("/mnt/far", "fuse.sshfs"), ("/srv", "cifs")]


@pytest.mark.parametrize(
    ("folder", "verdict", "kind"),
    [
        ("/var/teams/crew", OK, "ext4"),
        ("/home/ann/.claude/teams/crew", FAILED, "nfs4"),
        ("/home/ann/local/crew", OK, "xfs"),
        ("/home/ann/local-not/crew", FAILED, "nfs4"),
        ("/mnt/far/crew", FAILED, "fuse.sshfs"),
        ("/srv", FAILED, "cifs"),
    ],
)
def test_a_team_needs_a_local_disk(folder: str, verdict: Verdict, kind: str) -> None:
    (found,) = check_file_system(Path(folder), MOUNTS, is_file=True)
    assert (found.verdict, f"is on {kind}" in found.text) == (verdict, True)


def test_the_latest_of_two_mounts_at_one_place_counts() -> None:
    (found,) = check_file_system(Path("/data/crew"), [("/data", "nfs"), ("/data", "ext4")], is_file=True)
    assert found.verdict is OK


def test_a_system_without_a_list_of_mounts_is_not_judged() -> None:
    assert check_file_system(Path("/data/crew"), [], is_file=True) == []


@pytest.mark.parametrize(("used", "verdict"), [(0, OK), (120, OK), (121, WARNING), (128, WARNING)])
def test_a_user_with_few_free_inotify_instances_is_warned(used: int, verdict: Verdict) -> None:
    (found,) = check_watches(128, used, 190_000)
    assert found.verdict is verdict
    assert ("fs.inotify.max_user_instances=256" in found.hint) is (verdict is WARNING)


def test_a_system_without_inotify_has_no_finding_about_it() -> None:
    assert check_watches(None, 0, None) == []


@pytest.mark.parametrize(("seconds", "verdict"), [(-3600, OK), (0, OK), (60, OK), (61, WARNING), (86400, WARNING)])
def test_a_message_from_the_future_is_a_warning_about_the_clock(seconds: int, verdict: Verdict) -> None:
    (found,) = check_clock(NOW + timedelta(seconds=seconds), NOW)
    assert found.verdict is verdict


def test_a_clock_that_is_well_is_shown_beside_the_time_of_the_newest_message() -> None:
    (found,) = check_clock(NOW - timedelta(days=1), NOW)
    assert format_moment(NOW) in found.text
    assert format_moment(NOW - timedelta(days=1)) in found.text


def test_a_clock_without_a_message_to_compare_with_is_not_judged() -> None:
    assert check_clock(None, NOW) == []


@pytest.mark.parametrize(("journal", "verdicts"), [(None, []), ("wal", [OK]), ("delete", [FAILED])])
def test_a_database_without_a_write_ahead_log_is_a_failure(journal: str | None, verdicts: list[Verdict]) -> None:
    assert [each.verdict for each in check_journal(journal)] == verdicts


def test_a_database_says_how_it_logs_its_changes(tmp_path: Path) -> None:
    team = Team("crew", tmp_path / "crew")
    assert read_journal_mode(team) is None
    with MessageHub(team):
        assert read_journal_mode(team) == "wal"
    with contextlib.closing(sqlite3.connect(team.database)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    assert read_journal_mode(team) == "delete"


def test_sockets_are_tried_where_the_team_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as short:
        team = Team("crew", Path(short))
        assert check_sockets(team) == []
        team.run.mkdir()
        assert [each.verdict for each in check_sockets(team)] == [OK]
        assert list(team.run.iterdir()) == []
        monkeypatch.setattr("socket.socket.bind", mock.Mock(side_effect=PermissionError(1, "Operation not permitted")))
        (found,) = check_sockets(team)
        assert (found.verdict, "Operation not permitted" in found.text) == (FAILED, True)


def test_sockets_elsewhere_are_named_with_what_decides_their_folder(tmp_path: Path) -> None:
    team = Team("crew", tmp_path / ("long" * 30))
    team.run.mkdir(parents=True)
    try:
        (found,) = check_sockets(team)
        assert (found.verdict, str(team.run) in found.text, "TMPDIR" in found.hint) == (OK, True, True)
    finally:
        team.run.rmdir()


def test_this_machine_can_be_examined(tmp_path: Path) -> None:
    found = check_machine(Team("crew", tmp_path / "crew"), None, None, NOW)
    assert "SQLite 3." in found[0].text
    assert "clock" not in {each.check for each in found}
