"""A team as a service: its units are what systemd and launchd understand, and 'teamsup service' puts them in place."""

import json
import os
import plistlib
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand, refusal_of
from teamsup.cli.commands.service import check_service
from teamsup.cli.service.units import ServiceScope, ServiceSpec, UnusablePath, read_template, render_unit
from teamsup.hub import Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.wakeup.file_lock import try_lock

AWKWARD = "100%h é $HOME & <b>=c"
QUOTES = 'it\'s "b" \\n'
ACCOUNT = "daemon"
EXPOSURE_MAX = 20  # of 100, by systemd-analyze, which finds 95 without any hardening
both_scopes = pytest.mark.parametrize("scope", ["user", "system"])
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")


@pytest.fixture
def service(tmp_path: Path) -> ServiceSpec:
    """The service of a team and a teamsup in folders with awkward names."""
    program = tmp_path / AWKWARD / "bin/teamsup"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    return ServiceSpec(Team("crew", tmp_path / AWKWARD / QUOTES / "crew"), (str(program),), ACCOUNT)


@needs_systemd
@both_scopes
def test_systemd_has_nothing_against_the_unit(service: ServiceSpec, scope: ServiceScope, tmp_path: Path) -> None:
    unit = _written(service, scope, tmp_path)

    verified = _analyze(unit, scope, "verify", "--man=no")
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")

    Path(service.command[0]).unlink()
    assert f"{service.command[0]} is not executable" in _analyze(unit, scope, "verify", "--man=no").stderr


@needs_systemd
def test_systemd_finds_the_system_unit_hardened(service: ServiceSpec, tmp_path: Path) -> None:
    unit = _written(service, "system", tmp_path)

    rated = _analyze(unit, "system", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager")

    assert rated.returncode == 0, rated.stdout


@both_scopes
def test_a_unit_says_what_to_run_and_when_not_to_try_again(service: ServiceSpec, scope: ServiceScope) -> None:
    unit = _settings(render_unit(read_template(f"systemd/{scope}.service"), service))

    home = _literally(unit["Environment"])[0].removeprefix("TEAMSUP_HOME=")
    assert home == str(service.team.folder.parent)
    assert _literally(unit["ExecStart"].removeprefix(":"))[0] == service.command[0]
    assert unit["ExecStart"].endswith('" start --team %i')
    assert (unit["Type"], unit["WatchdogSec"], unit["KillMode"]) == ("notify", "30", "mixed")
    assert unit["ExecReload"] == unit["ExecStart"].replace('" start --team', '" reload --team')
    assert unit["RestartPreventExitStatus"].split() == [str(os.EX_TEMPFAIL), str(os.EX_CONFIG)]


def test_the_system_unit_may_write_to_the_teams_only(service: ServiceSpec) -> None:
    unit = _settings(render_unit(read_template("systemd/system.service"), service))

    folder = service.team.folder
    assert (unit["User"], unit["ProtectSystem"]) == (ACCOUNT, "strict")
    assert _literally(unit["ReadWritePaths"]) == [str(folder.parent), str(service.team.run.parent)]


def test_sockets_in_the_common_tmp_stay_where_everybody_finds_them(tmp_path: Path) -> None:
    far, near = Team("crew", tmp_path / ("x" * 100) / "crew"), Team("crew", Path("/srv/teams/crew"))

    for team, private in ((far, "no"), (near, "yes")):
        unit = _settings(
            render_unit(read_template("systemd/system.service"), ServiceSpec(team, ("/bin/teamsup",), ACCOUNT))
        )

        assert unit["PrivateTmp"] == private
        assert _literally(unit["ReadWritePaths"])[1] == str(team.run.parent)


@pytest.mark.parametrize("name", ["agent", "daemon"])
def test_a_property_list_says_the_same_to_launchd(service: ServiceSpec, name: str) -> None:
    values = plistlib.loads(render_unit(read_template(f"launchd/{name}.plist"), service).encode())

    assert values.pop("UserName", None) == (ACCOUNT if name == "daemon" else None)
    assert values == {
        "Label": "teamsup.crew",
        "ProgramArguments": [service.command[0], "start", "--team", "crew"],
        "EnvironmentVariables": {"TEAMSUP_HOME": str(service.team.folder.parent)},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": 90,
        "ProcessType": "Standard",
        "Umask": 0o077,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": str(service.team.logs / "launchd.err"),
    }


def test_python_itself_is_called_where_there_is_no_command_of_that_name(service: ServiceSpec) -> None:
    python = ServiceSpec(service.team, ("/bin/python", "-m", "teamsup.cli"), ACCOUNT)

    values = plistlib.loads(render_unit(read_template("launchd/agent.plist"), python).encode())
    assert values["ProgramArguments"][:4] == ["/bin/python", "-m", "teamsup.cli", "start"]
    unit = _settings(render_unit(read_template("systemd/user.service"), python))
    assert unit["ExecStart"] == ':"/bin/python" "-m" "teamsup.cli" start --team %i'


@needs_systemd
def test_a_program_with_quotes_in_its_path_is_run_too(tmp_path: Path) -> None:
    program = tmp_path / AWKWARD / QUOTES / "teamsup"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho \"$*\" $$ > '{tmp_path}/called'")
    program.chmod(0o755)
    service = ServiceSpec(Team("crew", tmp_path / "crew"), (str(program),), ACCOUNT)
    unit = _written(service, "user", tmp_path)

    assert _analyze(unit, "user", "verify", "--man=no").stderr == ""
    with subprocess.Popen(_literally(_settings(unit.read_text())["ExecStart"].removeprefix(":"))) as process:
        assert process.wait() == 0
    # As the very process that systemd has started, for only that one may notify it.
    assert (tmp_path / "called").read_text() == f"start --team %i {process.pid}\n"


def test_a_path_with_a_line_end_is_refused() -> None:
    with pytest.raises(UnusablePath, match="it has characters that are not text"):
        render_unit(
            read_template("systemd/user.service"), ServiceSpec(Team("crew", Path("/a\nb/crew")), ("/bin/teamsup",), "")
        )


# Has an answer to what it was told of and to nothing else, and writes down what it is asked.
# The shell's word for Python is a text: no path with a blank can stand behind "#!".
_DOUBLE = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
'''
import json, pathlib, shlex, sys
here = pathlib.Path(__file__).parent
line = shlex.join([pathlib.Path(__file__).name, *sys.argv[1:]])
with (here / "calls").open("a") as calls:
    print(line, file=calls)
code, words = json.loads((here / "answers").read_text()).get(line, (99, "unexpected: " + line))
print(words, file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""
_ON_MACOS = "import platform\nplatform.system = lambda: 'Darwin'"
_RELOAD = "systemctl --user daemon-reload"
_ENABLE = "systemctl --user enable teamsup@default.service"
_START = "systemctl --user start teamsup@default.service"
_IS_ACTIVE = "systemctl --user is-active teamsup@default.service"
_DISABLE = "systemctl --user disable --now teamsup@default.service"
_RESET = "systemctl --user reset-failed teamsup@default.service"
_LINGER = f"loginctl show-user {pwd.getpwuid(os.getuid()).pw_name} --property=Linger --value"
_TARGET = f"gui/{os.getuid()}/teamsup.default"


@dataclass
class Machine:
    """``teamsup service`` on a machine whose PATH holds doubles of the service managers' tools, and nothing else."""

    teamsup: TeamsupCommand
    tools: Path
    home: Path
    preamble: str = ""

    @property
    def unit(self) -> Path:
        return self.home / "config/systemd/user/teamsup@default.service"

    def answers(self, answers: dict[str, tuple[int, str]]) -> None:
        for line in answers:
            double = self.tools / line.split()[0]
            double.write_text(_DOUBLE.format(python=sys.executable))
            double.chmod(0o755)
        self.tools.joinpath("answers").write_text(json.dumps(answers))

    def asked(self) -> list[str]:
        """What the tools were asked since the last time."""
        calls = self.tools / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = f"import sys\n{self.preamble}\nfrom teamsup.cli.main import main\nsys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", program, "service", *words],
            capture_output=True,
            text=True,
            env=self.teamsup.environment,
            timeout=60,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(TeamsupCommand(tmp_path / "teams"), tmp_path / "tools", tmp_path / "home")
    machine.tools.mkdir()
    machine.home.mkdir()
    monkeypatch.setenv("PATH", str(machine.tools))
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(machine.home / "config"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    return machine


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_a_dry_run_shows_everything_and_changes_nothing(machine: Machine, tmp_path: Path, verb: str) -> None:
    machine.answers({_RELOAD: (0, ""), _ENABLE: (0, ""), _START: (0, ""), _LINGER: (0, "yes")})
    if verb == "uninstall":
        machine.run("install", "--user")
        machine.asked()
    before = sorted(tmp_path.rglob("*"))

    dry = machine.run(verb, "--user", "--dry-run")

    assert (dry.returncode, dry.stderr) == (0, "")
    steps = [_RELOAD, _ENABLE, _START] if verb == "install" else [_DISABLE, _RELOAD, _RESET]
    assert [line for line in dry.stdout.splitlines() if "Would run: " in line] == [f"Would run: {s}" for s in steps]
    assert str(machine.unit) in dry.stdout
    assert ("\n[Service]\n" in dry.stdout) == (verb == "install")
    assert sorted(tmp_path.rglob("*")) == before
    assert machine.asked() == []


def test_a_service_is_installed_seen_and_uninstalled(machine: Machine) -> None:
    machine.answers({_RELOAD: (0, ""), _ENABLE: (0, ""), _START: (0, ""), _LINGER: (0, "no")})

    installed = machine.run("install", "--user")

    assert (installed.returncode, installed.stderr) == (0, "")
    assert machine.asked() == [_RELOAD, _ENABLE, _START, _LINGER]
    assert machine.unit.stat().st_mode & 0o777 == 0o644
    assert _literally(_settings(machine.unit.read_text())["Environment"]) == [f"TEAMSUP_HOME={machine.teamsup.home}"]
    assert f"Running: {_ENABLE}\n" in installed.stdout
    assert "See it with: teamsup ps; or: journalctl --user -u teamsup@default.service\n" in installed.stdout
    assert "loginctl enable-linger" in installed.stdout

    for word, code in (("active", 0), ("failed", 3)):
        machine.answers({_IS_ACTIVE: (code, "") if code else (0, word)})
        status = machine.run("status", "--user")
        assert (status.returncode, str(machine.unit) in status.stdout) == (code, True)
        assert ("It is active. See it with: teamsup ps" in status.stdout) == (code == 0)
    machine.asked()

    machine.answers({_DISABLE: (0, ""), _RELOAD: (0, ""), _RESET: (1, "not loaded")})
    assert machine.run("uninstall", "--user").returncode == 0
    assert machine.asked() == [_DISABLE, _RELOAD, _RESET]
    assert not machine.unit.exists()

    again = machine.run("uninstall", "--user")
    assert (again.returncode, "is not installed as a service" in again.stdout) == (0, True)
    status = machine.run("status", "--user")
    assert (status.returncode, "is not installed as a service" in status.stdout) == (3, True)
    assert machine.asked() == []


def test_an_account_that_lingers_needs_no_loginctl(machine: Machine) -> None:
    machine.answers({_RELOAD: (0, ""), _ENABLE: (0, ""), _START: (0, ""), _LINGER: (0, "yes")})

    assert "loginctl" not in machine.run("install", "--user").stdout


def test_without_a_service_manager_nothing_is_written(machine: Machine) -> None:
    result = machine.run("install", "--user")

    assert result.returncode == os.EX_UNAVAILABLE
    assert refusal_of(result) == (
        "teamsup: There is no systemctl here, so this machine has no supported service manager."
    )
    assert list(machine.home.iterdir()) == []


def test_an_error_of_systemctl_is_passed_on(machine: Machine) -> None:
    machine.answers({_RELOAD: (1, "Failed to connect to bus:\nNo medium found")})

    result = machine.run("install", "--user")

    assert result.returncode == os.EX_UNAVAILABLE
    assert result.stderr == f"teamsup: '{_RELOAD}' failed: Failed to connect to bus: No medium found\n"


def test_a_failed_second_installation_leaves_the_first(machine: Machine) -> None:
    machine.answers({_RELOAD: (0, ""), _ENABLE: (0, ""), _START: (0, ""), _LINGER: (0, "yes")})
    machine.run("install", "--user")
    unit = machine.unit.read_text() + "# of an earlier version\n"
    machine.unit.write_text(unit)
    machine.answers({_RELOAD: (1, "no")})

    assert machine.run("install", "--user").returncode == os.EX_UNAVAILABLE
    assert machine.unit.read_text() == unit


def test_a_team_that_does_not_start_stays_a_service(machine: Machine) -> None:
    machine.answers({_RELOAD: (0, ""), _ENABLE: (0, ""), _START: (1, "The job failed.")})

    result = machine.run("install", "--user")

    assert result.returncode == ExitCode.UNWELL
    assert result.stderr == (
        f"teamsup: Team 'default' is a service now, but it does not run: '{_START}' failed: The job failed. "
        "See why with: journalctl --user -u teamsup@default.service\n"
    )
    assert machine.unit.exists()


def test_a_team_that_is_run_by_hand_must_be_stopped_first(machine: Machine) -> None:
    machine.answers({_IS_ACTIVE: (3, "inactive")})
    with _run_by_hand(machine.teamsup.team):
        result = machine.run("install", "--user")
        dry = machine.run("install", "--user", "--dry-run")
        assert result.returncode == os.EX_TEMPFAIL
        warning = f"Team 'default' is run by pid {os.getpid()} already. Stop it first with: teamsup stop"
        assert refusal_of(result) == f"teamsup: {warning}"
        assert (dry.returncode, dry.stderr) == (0, f"teamsup: {warning}\n")
        assert not machine.unit.exists()

        machine.answers(
            {_IS_ACTIVE: (0, "active"), _RELOAD: (0, ""), _ENABLE: (0, ""), _START: (0, ""), _LINGER: (0, "yes")}
        )
        assert machine.run("install", "--user").returncode == 0


def test_only_root_installs_a_service_of_the_machine(machine: Machine) -> None:
    machine.answers({_RELOAD: (0, "")})
    machine.teamsup.team.create()
    machine.preamble = "import os\nos.geteuid = lambda: 1000"

    result = machine.run("install", "--system")

    assert result.returncode == os.EX_NOPERM
    assert refusal_of(result).startswith("teamsup: Only root can change a service of the machine")
    assert machine.asked() == []


def test_a_service_of_the_machine_runs_as_the_owner_of_the_teams_folder(machine: Machine) -> None:
    nobody_yet = machine.run("install", "--system", "--dry-run")
    assert nobody_yet.returncode == os.EX_NOINPUT
    assert "The user who will own the team makes it with: teamsup init" in refusal_of(nobody_yet)

    machine.teamsup.team.create()
    owner = pwd.getpwuid(os.getuid())
    if owner.pw_uid == 0:
        owner = pwd.getpwnam(ACCOUNT)
        os.chown(machine.teamsup.team.folder, owner.pw_uid, -1)
    dry = machine.run("install", "--system", "--dry-run")

    assert f"\nUser={owner.pw_name}\n" in dry.stdout
    assert "/etc/systemd/system/teamsup@default.service" in dry.stdout
    assert "Would run: systemctl enable teamsup@default.service\n" in dry.stdout


def test_under_sudo_the_team_is_that_of_the_caller(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", ACCOUNT)
    machine.teamsup = TeamsupCommand(Path("~/no such teams"))

    assert f"There is no folder {pwd.getpwnam(ACCOUNT).pw_dir}/no such teams/" in refusal_of(
        machine.run("install", "--system")
    )


@pytest.mark.parametrize(
    ("active", "lingers", "found"),
    [
        ((0, "active"), "yes", "ok       service        active: {unit}\n"),
        (
            (0, "active"),
            "no",
            "warning  service        active, but it ends when you log out: {unit}\n"
            "Let it run from boot on with: loginctl enable-linger {account}",
        ),
        (
            (0, "inactive"),
            "no",
            "warning  service        not active: {unit}\n"
            "See why: journalctl --user -u teamsup@default.service. Start it with: {start}",
        ),
        (
            (1, "Failed to connect to bus: No medium found"),
            "no",
            "unknown  service        systemd does not tell whether {unit} is active: Failed to connect to bus: "
            "No medium found\nLog in as its user, then run: {is_active}",
        ),
    ],
)
def test_doctor_tells_whether_the_service_runs_and_comes_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, active: tuple[int, str], lingers: str, found: str
) -> None:
    machine.unit.parent.mkdir(parents=True)
    machine.unit.touch()
    machine.answers({_IS_ACTIVE: active, _LINGER: (0, lingers)})
    monkeypatch.setenv("TEAMSUP_HOME", str(machine.teamsup.home))

    [finding] = check_service(machine.teamsup.team, lambda *words: " ".join(words))

    account = pwd.getpwuid(os.getuid()).pw_name
    row = f"{finding.verdict:8} {finding.check:14} {finding.text}\n{finding.hint}"
    assert row == found.format(unit=machine.unit, account=account, start=_START, is_active=_IS_ACTIVE)


def test_launchd_is_given_its_property_list(machine: Machine) -> None:
    machine.preamble = _ON_MACOS
    agent = machine.home / "Library/LaunchAgents/teamsup.default.plist"
    bootout, look = f"launchctl bootout {_TARGET}", f"launchctl print {_TARGET}"
    bootstrap = f"launchctl bootstrap gui/{os.getuid()} {agent}"
    machine.answers({bootout: (3, "no such process"), bootstrap: (0, "")})

    installed = machine.run("install", "--user")

    assert (installed.returncode, installed.stderr) == (0, "")
    assert machine.asked() == [bootout, bootstrap]
    assert plistlib.loads(agent.read_bytes())["Label"] == "teamsup.default"
    assert machine.teamsup.team.logs.is_dir()

    machine.answers({look: (0, f"{_TARGET} = {{\n\tstate = running\n}}")})
    assert machine.run("status", "--user").returncode == 0
    machine.answers({look: (0, f"{_TARGET} = {{\n\tstate = not running\n}}")})
    assert machine.run("status", "--user").returncode == 3
    machine.asked()

    machine.answers({bootout: (0, "")})
    for asked in ([bootout], []):
        assert machine.run("uninstall", "--user").returncode == 0
        assert machine.asked() == asked
    assert not agent.exists()


def _written(service: ServiceSpec, scope: ServiceScope, folder: Path) -> Path:
    unit = folder / "teamsup@crew.service"
    unit.write_text(render_unit(read_template(f"systemd/{scope}.service"), service))
    return unit


def _analyze(unit: Path, scope: ServiceScope, *words: str) -> subprocess.CompletedProcess[str]:
    option = ["--user"] if scope == "user" else []
    # Of a user it wants to know where the sockets of running programs are.
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(unit.parent)}
    return subprocess.run(
        ["systemd-analyze", *option, *words, str(unit)], capture_output=True, text=True, env=environment, check=False
    )


def _settings(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))


def _literally(words: str) -> list[str]:
    """The words of a unit as systemd takes them: quotes are the shell's, and %% is one per cent sign."""
    return [word.replace("%%", "%") for word in shlex.split(words)]


@contextmanager
def _run_by_hand(team: Team) -> Iterator[None]:
    team.create()
    file = try_lock(team.folder / "supervisor.lock")
    assert file is not None
    os.write(file, str(os.getpid()).encode())
    yield
    os.close(file)
