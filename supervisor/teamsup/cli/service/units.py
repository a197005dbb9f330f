"""The service managers: the unit of a team for each of them, and its commands."""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Literal

from teamsup.config.resources import resource_path
from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode

ServiceScope = Literal["user", "system"]

_CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class UnusablePath(CallerError):
    """A unit cannot contain this path."""

    exit_code = ExitCode.BAD_DATA


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """The content of a unit: the team, the command whose ``start`` runs it, and the account."""

    team: Team
    command: tuple[str, ...]
    account: str


@dataclass(frozen=True, slots=True)
class ManagerCommand:
    """A command of the service manager. If it undoes a step that may never have been done, it may fail."""

    words: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """The unit and the commands of one team in one service manager. The service runs if the output of
    ``status_command`` matches ``active_pattern``.
    """

    template: str
    path: Path
    status_command: tuple[str, ...]
    active_pattern: str
    install_commands: tuple[ManagerCommand, ...]
    start_commands: tuple[ManagerCommand, ...]
    stop_commands: tuple[ManagerCommand, ...]
    cleanup_commands: tuple[ManagerCommand, ...]
    logs_command: str

    @property
    def tool(self) -> str:
        return self.status_command[0]


def systemd_manager(team: Team, scope: ServiceScope, configuration: Path) -> ServiceManager:
    """Return systemd as a manager; ``configuration`` is the folder of the user's configuration."""
    unit = f"teamsup@{team.name}.service"
    option = ("--user",) if scope == "user" else ()

    def step(*words: str, may_fail: bool = False) -> ManagerCommand:
        return ManagerCommand(("systemctl", *option, *words), may_fail)

    return ServiceManager(
        template=f"systemd/{scope}.service",
        path=(configuration / "systemd/user" if scope == "user" else Path("/etc/systemd/system")) / unit,
        status_command=step("is-active", unit).words,
        active_pattern=r"^(active|reloading)$",
        install_commands=(step("daemon-reload"), step("enable", unit)),
        start_commands=(step("start", unit),),
        stop_commands=(step("disable", "--now", unit),),
        cleanup_commands=(step("daemon-reload"), step("reset-failed", unit, may_fail=True)),
        logs_command=" ".join(("journalctl", *option, "-u", unit)),
    )


def launchd_manager(team: Team, scope: ServiceScope, home: Path, user_id: int) -> ServiceManager:
    label = f"teamsup.{team.name}"
    domain = f"gui/{user_id}" if scope == "user" else "system"
    folder = home / "Library/LaunchAgents" if scope == "user" else Path("/Library/LaunchDaemons")
    path = folder / f"{label}.plist"
    # bootstrap refuses a service that is loaded, and bootout one that is not.
    bootout = ManagerCommand(("launchctl", "bootout", f"{domain}/{label}"), may_fail=True)
    return ServiceManager(
        template=f"launchd/{'agent' if scope == 'user' else 'daemon'}.plist",
        path=path,
        status_command=("launchctl", "print", f"{domain}/{label}"),
        active_pattern=r"^\s*state = running$",
        install_commands=(bootout, ManagerCommand(("launchctl", "bootstrap", domain, str(path)))),
        start_commands=(),  # bootstrap starts it, and does not wait
        stop_commands=(bootout,),
        cleanup_commands=(),
        logs_command="teamsup logs",
    )


def render_unit(template: str, service: ServiceSpec) -> str:
    """Return the unit, in the form of its template: an XML property list or a unit of systemd.

    Raise UnusablePath for a path with a line end, another control character, or bytes that are not text.
    """
    team = service.team
    for text in (str(team.folder), str(team.run), *service.command):
        if _CONTROL_CHARACTERS.search(text):
            raise UnusablePath(f"A unit cannot contain {text!r}: it has characters that are not text.")
    values = {
        "TEAM": team.name,
        "HOME_OF_TEAMS": str(team.folder.parent),
        "FOLDER_OF_LOGS": str(team.logs),
        "FOLDER_OF_SOCKETS": str(team.run.parent),
        "PRIVATE_TMP": "yes" if team.folder in team.run.parents else "no",
        "ACCOUNT": service.account,
    }
    if "<plist" in template:
        values = {name: escape(value, quote=False) for name, value in values.items()}
        values["COMMAND"] = "\n\t\t".join(f"<string>{escape(word, quote=False)}</string>" for word in service.command)
    else:
        values = {name: _escape_systemd(value) for name, value in values.items()}
        values["COMMAND"] = " ".join(f'"{_escape_systemd(word)}"' for word in _systemd_command(service.command))
    return Template(template).substitute(values)


def read_template(name: str) -> str:
    return resource_path(name).read_text("utf-8")


def _systemd_command(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command line for systemd. If the path of the program has a quote or backslash, only sh can run it."""
    return ("/bin/sh", "-c", 'exec "$0" "$@"', *command) if set(command[0]) & set("'\"\\") else command


def _escape_systemd(text: str) -> str:
    """Return the text in the form for double quotes in systemd, where % begins a specifier."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
