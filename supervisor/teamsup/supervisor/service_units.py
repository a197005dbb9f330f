"""The service managers: the unit that each is given for a team, and the commands that go with it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal
from xml.sax.saxutils import escape

from teamsup.hub import CallerError, Team

from .deploy import shipped

Scope = Literal["user", "system"]

_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class UnfitPath(CallerError):
    """A path that no unit can name."""

    exit_code = os.EX_DATAERR


@dataclass(frozen=True, slots=True)
class Service:
    """What is to run: the team, the command whose ``start`` runs it, and the account that it runs as."""

    team: Team
    command: tuple[str, ...]
    account: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the service manager's. One that may fail undoes what may not be there."""

    words: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class Manager:
    """How one service manager looks after one team. Where ``look`` prints a match of ``active``, the service runs."""

    template: str
    path: Path
    look: tuple[str, ...]
    active: str
    install: tuple[Step, ...]
    before_removal: tuple[Step, ...]
    after_removal: tuple[Step, ...]
    logs: str

    @property
    def tool(self) -> str:
        return self.look[0]


def systemd(team: Team, scope: Scope, configuration: Path) -> Manager:
    """``configuration`` is where the user's programs have theirs."""
    unit = f"teamsup@{team.name}.service"
    option = ("--user",) if scope == "user" else ()

    def step(*words: str, may_fail: bool = False) -> Step:
        return Step(("systemctl", *option, *words), may_fail)

    return Manager(
        template=f"systemd/{scope}.service",
        path=(configuration / "systemd/user" if scope == "user" else Path("/etc/systemd/system")) / unit,
        look=step("is-active", unit).words,
        active=r"^(active|reloading)$",
        install=(step("daemon-reload"), step("enable", "--now", unit)),
        before_removal=(step("disable", "--now", unit),),
        after_removal=(step("daemon-reload"), step("reset-failed", unit, may_fail=True)),
        logs=" ".join(("journalctl", *option, "-u", unit)),
    )


def launchd(team: Team, scope: Scope, home: Path, user_id: int) -> Manager:
    label = f"teamsup.{team.name}"
    domain = f"gui/{user_id}" if scope == "user" else "system"
    folder = home / "Library/LaunchAgents" if scope == "user" else Path("/Library/LaunchDaemons")
    path = folder / f"{label}.plist"
    # Bootstrap refuses what it has already, and bootout what it has not.
    bootout = Step(("launchctl", "bootout", f"{domain}/{label}"), may_fail=True)
    return Manager(
        template=f"launchd/{'agent' if scope == 'user' else 'daemon'}.plist",
        path=path,
        look=("launchctl", "print", f"{domain}/{label}"),
        active=r"^\s*state = running$",
        install=(bootout, Step(("launchctl", "bootstrap", domain, str(path)))),
        before_removal=(bootout,),
        after_removal=(),
        logs="teamsup logs",
    )


def render(template: str, service: Service) -> str:
    """The unit: an XML property list where the template is one, else a unit of systemd's.

    Raises UnfitPath where a path holds a line end, another control character or bytes that are no text.
    """
    team = service.team
    for text in (str(team.folder), str(team.run), *service.command):
        if _UNFIT.search(text):
            raise UnfitPath(f"No unit can name {text!r}: it has characters that are no text.")
    values = {
        "TEAM": team.name,
        "HOME_OF_TEAMS": str(team.folder.parent),
        "FOLDER_OF_LOGS": str(team.logs),
        "FOLDER_OF_SOCKETS": str(team.run.parent),
        "PRIVATE_TMP": "yes" if team.folder in team.run.parents else "no",
        "ACCOUNT": service.account,
    }
    if "<plist" in template:
        values = {name: escape(value) for name, value in values.items()}
        values["COMMAND"] = "\n\t\t".join(f"<string>{escape(word)}</string>" for word in service.command)
    else:
        values = {name: _inside_quotes(value) for name, value in values.items()}
        values["COMMAND"] = " ".join(f'"{_inside_quotes(word)}"' for word in _systemd_command(service.command))
    return Template(template).substitute(values)


def template_text(name: str) -> str:
    return shipped(name).read_text("utf-8")


def _systemd_command(command: tuple[str, ...]) -> tuple[str, ...]:
    """Systemd runs no program with a quote or a backslash in its path, however it is written, but lets others do so."""
    return ("/bin/sh", "-c", 'exec "$0" "$@"', *command) if set(command[0]) & set("'\"\\") else command


def _inside_quotes(text: str) -> str:
    """As systemd reads it between double quotes, where % begins a specifier."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
