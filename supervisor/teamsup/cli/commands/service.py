"""``teamsup service …``: the team as a service of systemd or launchd."""

import argparse
import os
import platform
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode
from teamsup.status.team_lock import AlreadyRunning, owner_pid
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.hints import UnknownTeam, command_hint, installed_command
from teamsup.terminal.json_output import print_json
from teamsup.terminal.verbs import add_verb

from ..service.units import (
    ManagerCommand,
    ServiceManager,
    ServiceScope,
    ServiceSpec,
    launchd_manager,
    read_template,
    render_unit,
    systemd_manager,
)


class NoServiceManager(CallerError):
    """The service manager is missing, or refused the request."""

    exit_code = ExitCode.UNAVAILABLE


class TeamNotStarted(CallerError):
    """The service is installed, but the team did not start."""

    exit_code = ExitCode.UNWELL


class NotPermitted(CallerError):
    """Only root may do this."""

    exit_code = ExitCode.NOT_ALLOWED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, text, run_verb in (
        ("install", "let the service manager run the team, now and after each boot", _install),
        ("uninstall", "end the team and remove its service; the team's folder stays", _uninstall),
        ("status", "show whether the service is active; exit codes: 0 active, 3 not", _status),
    ):
        verb = add_verb(verbs, name, text, run_verb)
        scope = verb.add_mutually_exclusive_group()
        for value, meaning in (
            ("user", "your own service, without root (the default, unless you are root)"),
            ("system", "a service of the machine, which runs as the owner of the team's folder (root's default)"),
        ):
            scope.add_argument(f"--{value}", dest="scope", action="store_const", const=value, help=meaning)
        if name == "status":
            verb.add_argument("--json", action="store_true", help="print JSON for programs")
        else:
            verb.add_argument("--dry-run", action="store_true", help="only show the steps")


def check_service(team: Team, call: CommandHint) -> list[Finding]:
    """Return doctor's finding whether a service manager starts the team after a boot, or nothing without a service
    manager.
    """
    managers = [_manager_of(team, scope) for scope in ("user", "system")]
    if shutil.which(managers[0].tool) is None:
        return []
    installed = [manager for manager in managers if os.path.exists(manager.path)]
    if not installed:
        hint = f"Let a service manager start it: {call('service', 'install')}"
        return [Finding("service", Verdict.OK, "the team is not a service, so nothing starts it after a boot", hint)]
    return [_check_manager(manager) for manager in installed]


def _check_manager(manager: ServiceManager) -> Finding:
    answer = subprocess.run(manager.status_command, capture_output=True, text=True, check=False)
    if manager.tool == "systemctl" and not answer.stdout.strip():
        # As for a user without a session, after "su".
        why = " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
        hint = f"Log in as its user, then run: {shlex.join(manager.status_command)}"
        return Finding(
            "service", Verdict.UNKNOWN, f"systemd does not tell whether {manager.path} is active: {why}", hint
        )
    if re.search(manager.active_pattern, answer.stdout, re.MULTILINE) is None:
        start = "".join(f". Start it with: {shlex.join(step.words)}" for step in manager.start_commands)
        return Finding(
            "service", Verdict.WARNING, f"not active: {manager.path}", f"See why: {manager.logs_command}{start}"
        )
    account = pwd.getpwuid(os.getuid()).pw_name
    if "--user" in manager.status_command and _linger_of(account) == "no":
        hint = f"Let it run from boot on with: loginctl enable-linger {account}"
        return Finding("service", Verdict.WARNING, f"active, but it ends when you log out: {manager.path}", hint)
    return Finding("service", Verdict.OK, f"active: {manager.path}")


def run(arguments: argparse.Namespace) -> int:
    scope: ServiceScope = arguments.scope or ("system" if os.geteuid() == 0 else "user")
    if scope == "system" and (caller := os.environ.get("SUDO_USER")):
        # Under sudo, ~ is root's home; the team belongs to the person who called sudo.
        os.environ["HOME"] = os.path.expanduser(f"~{caller}")
    team = Team.named(arguments.team)
    return int(arguments.verb(team, _manager_of(team, scope), scope, arguments))


def _manager_of(team: Team, scope: ServiceScope) -> ServiceManager:
    if platform.system() == "Darwin":
        return launchd_manager(team, scope, Path.home(), os.getuid())
    return systemd_manager(team, scope, Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"))


def _install(team: Team, manager: ServiceManager, scope: ServiceScope, arguments: argparse.Namespace) -> int:
    account = _account_name(team, scope)
    text = render_unit(read_template(manager.template), ServiceSpec(team, installed_command(), account))
    pid = owner_pid(team)
    by_hand = pid is not None and not _is_active(manager)
    warning = f"Team {team.name!r} is run by pid {pid} already. Stop it first with: {command_hint(team, 'stop')}"
    if arguments.dry_run:
        if by_hand:
            print(f"teamsup: {warning}", file=sys.stderr)
        print(f"Would write {manager.path}:\n\n{text}")
        return _run_commands(*manager.install_commands, *manager.start_commands, dry_run=True)
    _require_permission(manager, scope)
    if by_hand:
        raise AlreadyRunning(warning)
    if scope == "user":
        team.create()
    manager.path.parent.mkdir(parents=True, exist_ok=True)
    before = manager.path.read_text("utf-8") if manager.path.exists() else None
    manager.path.write_text(text, "utf-8")
    manager.path.chmod(0o644)
    print(f"Wrote {manager.path}")
    try:
        _run_commands(*manager.install_commands)
    except NoServiceManager:
        if before is None:
            manager.path.unlink(missing_ok=True)
        else:
            manager.path.write_text(before, "utf-8")
        raise
    try:
        _run_commands(*manager.start_commands)
    except NoServiceManager as error:
        # The service manager may still try: an error such as a full disk passes.
        raise TeamNotStarted(
            f"Team {team.name!r} is a service now, but it does not run: {error} See why with: {manager.logs_command}"
        ) from error
    print(f"Team {team.name!r} is a service now. See it with: {command_hint(team, 'ps')}; or: {manager.logs_command}")
    if scope == "user" and manager.tool == "systemctl" and _linger_of(account) != "yes":
        print(f"It ends when you log out. Let it run from boot on with: loginctl enable-linger {account}")
    return 0


def _uninstall(team: Team, manager: ServiceManager, scope: ServiceScope, arguments: argparse.Namespace) -> int:
    if not manager.path.exists():
        print(f"Team {team.name!r} is not installed as a service: there is no {manager.path}")
        return 0
    if arguments.dry_run:
        print(f"Would remove {manager.path} between these:")
        return _run_commands(*manager.stop_commands, *manager.cleanup_commands, dry_run=True)
    _require_permission(manager, scope)
    _run_commands(*manager.stop_commands)
    manager.path.unlink(missing_ok=True)
    print(f"Removed {manager.path}")
    _run_commands(*manager.cleanup_commands)
    return 0


def _status(team: Team, manager: ServiceManager, _: ServiceScope, arguments: argparse.Namespace) -> int:
    if arguments.json:
        installed = manager.path.exists()
        if installed:
            _require_tool(manager)
        active = installed and _is_active(manager)
        print_json(team.name, installed=installed, active=active, file=manager.path)
        return ExitCode.DONE if active else ExitCode.NOT_RUNNING
    if not manager.path.exists():
        print(f"Team {team.name!r} is not installed as a service: there is no {manager.path}")
        print(f"Install it with: {command_hint(team, 'service', 'install')}")
        return ExitCode.NOT_RUNNING
    _require_tool(manager)
    print(f"Team {team.name!r} is installed as a service: {manager.path}")
    if not _is_active(manager):
        print(f"It is not active. See why with: {manager.logs_command}")
        return ExitCode.NOT_RUNNING
    print(f"It is active. See it with: {command_hint(team, 'ps')}")
    return 0


def _account_name(team: Team, scope: ServiceScope) -> str:
    user_id = os.getuid()
    if scope == "system":
        # If root made the folder, it would belong to root.
        if not team.folder.is_dir():
            how = command_hint(team, "init")
            raise UnknownTeam(
                f"There is no folder {team.folder} yet. The user who will own the team makes it with: {how}"
            )
        user_id = team.folder.stat().st_uid
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _require_permission(manager: ServiceManager, scope: ServiceScope) -> None:
    if scope == "system" and os.geteuid() != 0:
        raise NotPermitted("Only root can change a service of the machine: use sudo or --user.")
    _require_tool(manager)


def _require_tool(manager: ServiceManager) -> None:
    if shutil.which(manager.tool) is None:
        raise NoServiceManager(f"There is no {manager.tool} here, so this machine has no supported service manager.")


def _is_active(manager: ServiceManager) -> bool:
    return re.search(manager.active_pattern, _output_of(*manager.status_command), re.MULTILINE) is not None


def _linger_of(account: str) -> str:
    """Return "yes" if the account's services run without a login, "no", or an empty text if that is unknown."""
    return _output_of("loginctl", "show-user", account, "--property=Linger", "--value").strip()


def _output_of(*words: str) -> str:
    """Return the output of the command, or an empty text if the command does not exist."""
    if shutil.which(words[0]) is None:
        return ""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def _run_commands(*steps: ManagerCommand, dry_run: bool = False) -> int:
    for step in steps:
        line = shlex.join(step.words)
        print(f"{'Would run' if dry_run else 'Running'}: {line}", flush=True)
        if dry_run:
            continue
        answer = subprocess.run(step.words, capture_output=True, text=True, check=False)
        if answer.returncode != 0 and not step.may_fail:
            why = " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
            raise NoServiceManager(f"'{line}' failed: {why}")
    return 0
