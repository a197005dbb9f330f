"""What teamsup.toml makes of workers, and what it may not say."""

import signal
from pathlib import Path

import pytest

from teamsup.hub import NotConfigured, Team
from teamsup.supervisor.configuration import Configuration, load
from teamsup.supervisor.lifecycle import Restart


def loaded(team: Team, toml: str) -> Configuration:
    team.create()
    team.configuration.write_text(toml)
    return load(team)


def test_without_a_file_the_workers_of_teamsup_run(team: Team) -> None:
    configuration = loaded(team, "")

    assert list(configuration.programs) == ["user_comm", "monitor-bridge", "gateway"]
    assert configuration.told_of_deaths == ("user_comm",)


def test_a_worker_of_ones_own_has_all_its_rules(team: Team) -> None:
    program = loaded(
        team,
        """
        [worker.Own]
        command = ["run", "it"]
        restart = "never"
        stop_signal = "INT"
        stop_seconds = 3
        memory_max = "1.5G"
        log_max = "1 MiB"
        depends_on = ["user_comm"]
        """,
    ).programs["own"]

    assert program.command == ("run", "it")
    assert program.directory == team.folder
    assert (program.policy.restart, program.policy.stop_seconds, program.policy.ready_after) == (Restart.NEVER, 3, 1)
    assert (program.stop_signal, program.memory_max, program.log_bytes) == (signal.SIGINT, 3 << 29, 1 << 20)
    assert program.depends_on == ("user_comm",)


def test_discord_sees_the_gateway_log_in_less_than_a_thousand_times_a_day(team: Team) -> None:
    programs = loaded(team, "").programs

    assert (programs["gateway"].policy.healthy_seconds, programs["gateway"].policy.backoff_max) == (300, 300)
    assert (programs["user_comm"].policy.healthy_seconds, programs["user_comm"].policy.backoff_max) == (60, 60)


def test_a_process_is_given_its_own_section(team: Team) -> None:
    before, after = (loaded(team, f"[gateway]\nusers = [{user}]\n").programs for user in (1, 2))

    assert before["gateway"].given != after["gateway"].given
    assert before["user_comm"].given == after["user_comm"].given


def test_new_rules_of_routing_need_no_new_process(team: Team) -> None:
    rules = '[user_comm]\ndefault_agent = "lead"\n[route.a]\nkeywords = ["a"]\nagents = ["b"]\n'
    before, after = (loaded(team, toml).programs["user_comm"] for toml in ("", rules))

    assert before.given == after.given


def test_the_values_of_an_env_file_are_shown_nowhere(team: Team) -> None:
    team.create()
    secrets = team.folder / "secrets"
    secrets.write_text("TOKEN=hunter2\n")
    secrets.chmod(0o600)
    program = loaded(team, '[worker.own]\ncommand = ["x"]\nenv_file = "secrets"\n').programs["own"]

    assert program.environment == (("TOKEN", "hunter2"),)
    assert "hunter2" not in repr(program)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[worker.own]\n", "[worker.own] needs a command"),
        ("worker = 3\n", "worker must be a section"),
        ("[worker]\nown = 3\n", "worker.own must be a section"),
        ('[worker.own]\ncommand = "run it"\n', "[worker.own] command must be a list"),
        ('[worker.gateway]\ncommand = ["x"]\n', "this worker comes with teamsup"),
        ('[worker.supervisor]\ncommand = ["x"]\n', "that name is the supervisor's own"),
        ('[worker."a b"]\ncommand = ["x"]\n', "a b"),
        ('[worker.own]\ncommand = ["x"]\n[worker.OWN]\ncommand = ["y"]\n', "two [worker.NAME] sections"),
        ('[worker.own]\ncommand = ["x"]\nrestrat = "never"\n', "did you mean restart?"),
        ('[worker.own]\ncommand = ["x"]\nrestart = "maybe"\n', 'must be one of "always", "on-failure", "never"'),
        ('[worker.own]\ncommand = ["x"]\nstop_signal = "SIGTERM"\n', "there is no signal 'SIGTERM'"),
        ('[worker.own]\ncommand = ["x"]\nstop_seconds = 0\n', "stop_seconds must be above 0"),
        ('[worker.own]\ncommand = ["x"]\nmemory_max = "much"\n', 'must be a size such as "500 MiB"'),
        ('[worker.own]\ncommand = ["x"]\nmemory_max = "0"\n', "memory_max must be above 0"),
        ('[worker.own]\ncommand = ["x"]\nlog_max = "1"\n', "at least 4 KiB"),
        ('[worker.own]\ncommand = ["x"]\ndirectory = "~nobody-of-that-name/x"\n', "directory: "),
        (f'[worker.own]\ncommand = ["x"]\nstop_seconds = {"9" * 401}\n', "stop_seconds must be"),
        ("a = " + "[" * 5000, "cannot be read"),
        ('[worker.own]\ncommand = ["x"]\nenvironment = { A = 1 }\n', "must be a table of texts"),
        ('[worker.own]\ncommand = ["x"]\nenvironment = { "A=B" = "x" }\n', "or have '=' in it"),
        ('[worker.own]\ncommand = ["x\\u0000"]\n', "NUL"),
        ('[worker.own]\ncommand = ["x"]\ndirectory = "nowhere"\n', "nowhere is no folder"),
        ('[worker.own]\ncommand = ["x"]\nenv_file = "nowhere"\n', "nowhere cannot be read"),
        ('[worker.own]\ncommand = ["x"]\ndepends_on = ["db"]\n', "there is no worker 'db'"),
        ('[worker.own]\ncommand = ["x"]\ndepends_on = ["own"]\n', "goes in a circle: own on own"),
        ('[team]\nagents = ["own"]\n[worker.own]\ncommand = ["x"]\n', "'own' is a worker's name"),
        ("[metrics]\nport = 70000\n", "port must be from 0 to 65535"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(team: Team, toml: str, reason: str) -> None:
    with pytest.raises(NotConfigured) as refused:
        loaded(team, toml)

    assert str(refused.value).startswith(str(team.configuration))
    assert reason in str(refused.value)


def test_secrets_that_others_can_read_are_refused(team: Team, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("TOKEN=hunter2\n")
    secrets.chmod(0o644)

    with pytest.raises(NotConfigured, match="run chmod 600"):
        loaded(team, f'[worker.own]\ncommand = ["x"]\nenv_file = "{secrets}"\n')
