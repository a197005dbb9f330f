"""What teamsup.toml makes of workers, and what it may not say."""

import signal
import tomllib
from dataclasses import replace

import pytest

from teamsup.config.components import Component, installed_components
from teamsup.hub import NotConfigured, Team
from teamsup.supervisor.configuration import section_owners, team_configuration
from teamsup.supervisor.configuration.process_policy import RestartPolicy
from teamsup.supervisor.configuration.program import SpawnLimits
from teamsup.supervisor.configuration.team_configuration import (
    TeamConfiguration,
    load_configuration,
    parse_configuration,
)


def loaded(team: Team, toml: str) -> TeamConfiguration:
    team.create()
    team.configuration.write_text(toml)
    return load_configuration(team)


def test_without_a_file_the_workers_of_teamsup_run(team: Team) -> None:
    configuration = loaded(team, "")

    assert list(configuration.programs) == [
        "user_comm",
        "monitor-bridge",
        "gateway",
        "agent-runner",
        "web",
        "fork-server",
    ]
    assert configuration.notify_on_crash == ("user_comm",)


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
    assert (program.policy.restart, program.policy.stop_seconds, program.policy.ready_after) == (
        RestartPolicy.NEVER,
        3,
        1,
    )
    assert (program.stop_signal, program.memory_max, program.log_bytes) == (signal.SIGINT, 3 << 29, 1 << 20)
    assert program.depends_on == ("user_comm",)


def test_discord_sees_the_gateway_log_in_less_than_a_thousand_times_a_day(team: Team) -> None:
    programs = loaded(team, "").programs

    assert (programs["gateway"].policy.healthy_seconds, programs["gateway"].policy.backoff_max) == (300, 300)
    assert (programs["user_comm"].policy.healthy_seconds, programs["user_comm"].policy.backoff_max) == (60, 60)


def test_a_process_is_given_its_own_section(team: Team) -> None:
    before, after = (loaded(team, f"[gateway]\nusers = [{user}]\n").programs for user in (1, 2))

    assert before["gateway"].spawn_settings != after["gateway"].spawn_settings
    assert before["user_comm"].spawn_settings == after["user_comm"].spawn_settings


def test_new_rules_of_routing_need_no_new_process(team: Team) -> None:
    rules = '[user_comm]\ndefault_agent = "lead"\n[message_route.a]\nkeywords = ["a"]\nagents = ["b"]\n'
    before, after = (loaded(team, toml).programs["user_comm"] for toml in ("", rules))

    assert before.spawn_settings == after.spawn_settings


def test_the_values_of_an_env_file_are_shown_nowhere(team: Team) -> None:
    team.create()
    secrets = team.folder / "secrets"
    secrets.write_text("TOKEN=hunter2\n")
    secrets.chmod(0o600)
    program = loaded(team, '[worker.own]\ncommand = ["x"]\nenv_file = "secrets"\n').programs["own"]

    assert program.env_file_values == (("TOKEN", "hunter2"),)
    assert "hunter2" not in repr(program)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[worker.own]\n", "[worker.own] needs a command"),
        ("worker = 3\n", "worker must be a section"),
        ("[worker]\nown = 3\n", "worker.own must be a section"),
        ("[worker.own]\ncommand = 3\n", "[worker.own] command must be a list"),
        ('[worker.gateway]\ncommand = ["x"]\n', "this worker is installed with its own"),
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
        ('[worker.own]\ncommand = ["x"]\ndepends_on = ["db"]\n', "there is no worker 'db'"),
        ('[worker.own]\ncommand = ["x"]\ndepends_on = ["own"]\n', "is circular: own on own"),
        ('[team]\nagents = ["own"]\n[worker.own]\ncommand = ["x"]\n', "'own' is a worker's name"),
        ("[metrics]\nport = 70000\n", "port must be from 0 to 65535"),
        ("[monitor-bridge]\ncpu_percnt = 3\n", "[monitor-bridge] has no key 'cpu_percnt'; did you mean cpu_percent?"),
        ("[monitor-bridge]\ntrusted_proxies = ['caddy']\n", "such as \"10.0.0.0/8\", not 'caddy'"),
        ("[source.a]\nstale_seconds = 5\n", "stale_seconds must be 0, or from 60 to 31536000, which is a year"),
        ("[alert_route.a]\nmatch = { job = '(' }\n", "match: job is not a regular expression: missing )"),
        (
            "[monitor-bridge]\ncpu_seconds = -1\n",
            "[monitor-bridge] cpu_seconds must be from 0 to 86400, which is a day.",
        ),
        ("[monitor-bridge]\ncpu_percent = 0\n", "[monitor-bridge] cpu_percent must be above 0 and at most 100."),
        ("[gateway]\nusers = ['ann']\n", "[gateway] users must be a list, each entry a whole number."),
        ("[team]\ntold_of_deaths = []\n", "[team] told_of_deaths is called notify_on_crash now."),
        ("[route.a]\nagents = ['b']\n", "[route.NAME] is called [message_route.NAME] now."),
        ("[alert.a]\n", "[alert.NAME] is called [alert_route.NAME] now."),
        ("[alert_route.a]\nact_seconds = 9\n", "[alert_route.a] act_seconds is called ack_timeout_seconds now."),
    ],
)
def test_a_mistake_is_named_with_its_place(team: Team, toml: str, reason: str) -> None:
    with pytest.raises(NotConfigured) as refused:
        loaded(team, toml)

    assert str(refused.value).startswith(str(team.configuration))
    assert reason in str(refused.value)


def test_a_file_that_is_missing_is_not_a_configuration(team: Team) -> None:
    team.create()

    with pytest.raises(NotConfigured, match=r"There is no .*teamsup.toml. Write it with: teamsup init"):
        load_configuration(team)


@pytest.mark.parametrize("what", ['directory = "away"', 'env_file = "away"'])
def test_a_file_that_may_be_back_at_the_start_is_not_a_mistake(team: Team, what: str) -> None:
    assert loaded(team, f'[worker.own]\ncommand = ["away"]\n{what}\n').programs["own"].fault == ""


def test_an_env_file_that_is_away_at_a_reload_needs_no_new_process(team: Team) -> None:
    team.create()
    secrets = team.folder / "secrets"
    secrets.write_text("A=1\n")
    secrets.chmod(0o600)
    toml = '[worker.own]\ncommand = ["x"]\nenv_file = "secrets"\n'
    there = loaded(team, toml).programs["own"]
    secrets.write_text("A=2\n")
    changed = loaded(team, toml).programs["own"]
    secrets.unlink()
    away = loaded(team, toml).programs["own"]

    assert changed.needs_new_process(there)
    assert not away.needs_new_process(there)


@pytest.mark.parametrize(
    ("toml", "held"),
    [
        ("[worker.own]\n", "own"),
        ("[worker]\nown = 3\n", "own"),
        ('[worker.own]\ncommand = ["x"]\nrestrat = "never"\n', "own"),
        ('[worker.own]\ncommand = ["x"]\ndepends_on = ["db"]\n', "own"),
        ('[worker.own]\ncommand = ["x"]\ndepends_on = ["own"]\n', "own"),
        ("[worker.gateway]\nautostrat = false\n", "gateway"),
        ("[gateway]\nusers = ['ann']\n", "gateway"),
        ("[monitor-bridge]\ncpu_percent = 0\n", "monitor-bridge"),
        ("[source.shop]\n", "monitor-bridge"),
        ("[watchdog.shop]\n", "monitor-bridge"),
        ("[message_route.shop]\n", "user_comm"),
    ],
)
def test_a_mistake_in_the_sections_of_one_worker_is_the_fault_of_that_worker_alone(
    team: Team, toml: str, held: str
) -> None:
    found = parse_configuration(team, tomllib.loads(toml))

    assert {name for name, program in found.programs.items() if program.fault} == {held}
    assert found.programs[held].fault.startswith(f"{team.configuration}: ")


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is installed whose worker mail cannot be loaded."""
    broken = Component("mail", fault="The worker mail cannot be loaded from mail: no module.")
    found = {**installed_components(), "mail": broken}
    for module in (team_configuration, section_owners):
        monkeypatch.setattr(module, "installed_components", lambda: found)


@pytest.mark.usefixtures("unloadable")
def test_the_section_of_a_worker_that_cannot_be_loaded_holds_it_alone(team: Team) -> None:
    found = parse_configuration(team, {"mail": {"server": "x"}})

    assert {name for name, program in found.programs.items() if program.fault} == {"mail"}
    assert found.programs["mail"].fault == "The worker mail cannot be loaded from mail: no module."


@pytest.mark.usefixtures("unloadable")
def test_an_unknown_section_may_be_one_of_a_worker_that_cannot_be_loaded(team: Team) -> None:
    with pytest.raises(NotConfigured, match=r"no section \[folder\]; .* Or it is one of mail, whose package cannot"):
        parse_configuration(team, {"folder": {"a": {}}})


def test_a_circle_holds_those_that_are_in_it(team: Team) -> None:
    toml = "".join(
        f'[worker.{name}]\ncommand = ["x"]\ndepends_on = ["{other}"]\n' for name, other in ("ab", "ba", "ca")
    )
    programs = parse_configuration(team, tomllib.loads(toml)).programs

    assert [name for name, program in programs.items() if program.fault] == ["a", "b"]
    assert programs["c"].depends_on == ("a",)


def test_a_mistake_that_concerns_all_workers_refuses_the_whole_file(team: Team) -> None:
    for toml in ("[tema]\n", "[team]\nagent = []\n", "[metrics]\nport = -1\n", '[worker."a b"]\n'):
        with pytest.raises(NotConfigured):
            parse_configuration(team, tomllib.loads(toml))


def test_a_worker_that_is_held_waits_for_the_files_that_it_reads_at_its_start(team: Team) -> None:
    programs = loaded(
        team, '[gateway]\ntoken_file = "token"\n[worker.own]\ncommand = ["x"]\nenv_file = "env"\n'
    ).programs

    assert programs["gateway"].watched_files == (team.folder / "token",)
    assert programs["own"].watched_files == (team.folder / "env",)


def test_an_installation_that_names_no_workers_is_refused(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_configuration, "installed_components", dict)

    with pytest.raises(NotConfigured, match=r"names none of its workers.*Install teamsup again"):
        team_configuration.parse_configuration(team, {})


def test_a_worker_of_ones_own_has_limits_and_may_be_one_line_for_a_shell(team: Team) -> None:
    program = loaded(team, '[worker.own]\ncommand = "run | tee x"\nnofile = 4096\numask = "027"\nnice = 5\n').programs[
        "own"
    ]

    assert program.command == ("/bin/sh", "-c", "run | tee x")
    assert (program.limits.nofile, program.limits.umask, program.limits.nice) == (4096, 0o27, 5)
    assert program.needs_new_process(replace(program, limits=SpawnLimits()))


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ('umask = "9"', "umask must be three octal digits"),
        ("nice = 20", "nice must be from -20 to 19"),
        ("nofile = 1", "nofile must be from 16 to 1048576"),
        ("command = [1]", "command must be a list, each entry text in quotes, or one text"),
        ('command = ["run", "${SECRET}"]', r"\[worker.own\] command: \$\{SECRET\} is not one of"),
    ],
)
def test_a_limit_that_cannot_be_is_a_mistake(team: Team, line: str, mistake: str) -> None:
    command = "" if line.startswith("command") else 'command = ["run"]\n'
    with pytest.raises(NotConfigured, match=mistake):
        loaded(team, f"[worker.own]\n{command}{line}\n")


def test_a_program_that_knows_no_hub_is_checked_and_a_job_has_a_schedule(team: Team) -> None:
    programs = loaded(
        team,
        """
        [worker.site]
        command = ["run"]
        ready = { http = "http://localhost:8080/health" }
        alive = { exec = "curl -f localhost", every_seconds = 30 }
        essential = true
        [worker.backup]
        command = "tar c . | upload"
        schedule = "0 3 * * *"
        timezone = "Europe/Berlin"
        """,
    ).programs

    site, backup = programs["site"], programs["backup"]
    assert site.ready is not None
    assert site.ready.http == "http://localhost:8080/health"
    assert site.alive is not None
    assert (site.alive.exec, site.alive.every_seconds) == (("/bin/sh", "-c", "curl -f localhost"), 30)
    assert (site.policy.ready_after, site.start_seconds, site.essential) == (None, 60, True)
    assert (backup.policy.restart, backup.starts_with_team) == (RestartPolicy.NEVER, False)
    assert str(backup.schedule) == "0 3 * * * Europe/Berlin"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("ready = 3", "ready must be a table"),
        ("ready = {}", r"\[worker.own.ready\] write one of http, tcp, exec and log"),
        ('ready = { tcp = "1", log = "x" }', "write one of"),
        ('ready = { tcp = "db" }', 'tcp must be a port or "HOST:PORT"'),
        ('ready = { https = "x" }', "has no key 'https'; did you mean http"),
        ('ready = { http = "https://x" }', "http cannot ask https; write exec"),
        ('ready = { http = "http://x:y/" }', "Port could not be cast"),
        ('alive = { log = "up" }', "alive: a line of output does not show"),
        ('alive = { tcp = "1" }\nheartbeat_seconds = 5', "heartbeat_seconds cannot be used with ready or alive"),
        ('schedule = "daily"', "schedule must have five fields"),
        ('schedule = "0 3 * * *"\nessential = true', "schedule cannot be used with essential"),
        ('schedule = "0 3 * * *"\nrestart = "always"', 'schedule cannot be used with essential or restart = "always"'),
        ('timezone = "Berlin"', "'Berlin' is not known; write a name such as Europe/Berlin"),
    ],
)
def test_a_check_or_a_schedule_that_cannot_be_is_a_mistake(team: Team, line: str, mistake: str) -> None:
    with pytest.raises(NotConfigured, match=mistake):
        loaded(team, f'[worker.own]\ncommand = ["run"]\n{line}\n')


def test_a_worker_of_teamsup_needs_no_check_of_its_own(team: Team) -> None:
    with pytest.raises(NotConfigured, match="ready, alive and schedule are for workers of your own"):
        loaded(team, '[worker.gateway]\nready = { tcp = "1" }\n')
