"""Who waits for workers hears why they do not run."""

from datetime import UTC, datetime

import pytest

from helpers.custom_workers import worker_section
from helpers.support import FORK_SERVER, WEB, TeamsupCommand, refusal_of
from teamsup.hub import Agent
from teamsup.status.crash import Crash
from teamsup.status.state_file import WorkerState
from teamsup.supervisor.health.readiness import describe_unready, is_not_configured, unready_reason

UNCONFIGURED = "print('no key for the exchange'); raise SystemExit(78)"
DEATH = Crash(0, 7, "not configured", 1, None, ("no key for the exchange",))
HELD = WorkerState("own", "EXITED", None, None, 0, "not configured", None, (DEATH,))


def said_by(name: str, *, optional: bool) -> Agent:
    metadata = {"note": "No token.", "optional": optional}
    return Agent(name, "daemon", "not configured", datetime.now(UTC), metadata, 0)


def test_a_reason_is_given_once_for_all_workers_that_have_it() -> None:
    assert describe_unready({"a": "exit code 1", "b": "", "c": "exit code 1", "d": "Mend\nit."}) == (
        "a and c do not run: exit code 1. b is not ready yet. d does not run: Mend it."
    )
    assert describe_unready({"a": "", "b": "", "c": ""}) == "a, b and c are not ready yet."
    assert describe_unready({}) == ""


def test_at_most_20_of_very_many_are_named_and_the_others_counted() -> None:
    same = describe_unready({f"w{number}": "exit code 1" for number in range(200)})
    assert same.endswith("w18, w19 and 180 more do not run: exit code 1.")
    assert same.count("w") == 20

    different = describe_unready({f"w{number}": f"exit code {number}" for number in range(200)})
    assert different.count("w") == 20
    assert different.endswith("w19 does not run: exit code 19. 180 more do not run.")


def test_a_part_that_nobody_has_set_up_is_not_missed_and_one_that_refuses_is() -> None:
    assert is_not_configured(HELD, said_by("own", optional=True))
    assert not is_not_configured(HELD, said_by("own", optional=False))
    assert not is_not_configured(HELD, None)


def test_an_unconfigured_worker_names_the_missing_setting() -> None:
    assert unready_reason(HELD, said_by("own", optional=False)) == "not configured: No token."
    assert unready_reason(HELD, None) == "not configured: no key for the exchange"


@pytest.mark.slow
def test_start_reload_and_restart_name_a_held_worker_and_its_missing_setting(teamsup: TeamsupCommand) -> None:
    quiet = "".join(
        f"[worker.{name}]\nautostart = false\n" for name in ("user_comm", "monitor-bridge", WEB, FORK_SERVER)
    )
    teamsup.team.folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(quiet)
    assert teamsup.run("start", "--detach").returncode == 0, "nobody has asked for the gateway"
    try:
        teamsup.team.configuration.write_text(quiet + worker_section("own", UNCONFIGURED, start_seconds=1000))
        reload = teamsup.run("reload", "--timeout", "50")
        restart = teamsup.run("restart", "own", "--timeout", "50")
    finally:
        teamsup.run("stop")
    try:
        start = teamsup.run("start", "--detach")
    finally:
        teamsup.run("stop")

    why = "own does not run: not configured: no key for the exchange. See: teamsup"
    assert [each.returncode for each in (start, reload, restart)] == [4, 4, 4], restart.stdout
    assert refusal_of(start).endswith(f", but {why} logs own")
    assert refusal_of(reload) == f"teamsup: start own. {why} ps own"
    assert refusal_of(restart) == f"teamsup: {why} ps own"
