"""What doctor finds about the machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teamsup.cli.checks.machine import check_clock, check_file_system, check_machine, check_watches
from teamsup.hub import Team
from teamsup.terminal.findings import Verdict

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


@pytest.mark.parametrize(("seconds", "is_found"), [(-3600, False), (0, False), (60, False), (61, True), (86400, True)])
def test_a_message_from_the_future_is_a_warning_about_the_clock(seconds: int, is_found: bool) -> None:
    assert bool(check_clock(NOW + timedelta(seconds=seconds), NOW)) is is_found
    assert check_clock(None, NOW) == []


def test_this_machine_can_be_examined(tmp_path: Path) -> None:
    found = check_machine(Team("crew", tmp_path / "crew"), None, NOW)
    assert "SQLite 3." in found[0].text
    assert "clock" not in {each.check for each in found}
