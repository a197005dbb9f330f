"""``teamsup init``: a commented teamsup.toml; with --claude, a project whose Claude Code takes part in the team."""

import argparse
import os
import shlex
import shutil
import sys
from contextlib import suppress
from difflib import unified_diff
from importlib.resources import files
from io import StringIO
from pathlib import Path

from teamsup.hub import CallerError, InvalidName, MessageHub, Team
from teamsup.hub.team import fold_name
from teamsup.hub.wording import printable

from .. import claude_project
from ..claude_files import (
    NoProject,
    plugin_folder,
    project_at,
    read,
    read_leniently,
    remove,
    replace,
    require_writable,
    seen_in,
    settings_path,
    user_folder,
)
from ..claude_project import AGENT, COMMAND, HOME, TEAM
from ..command_line import command_line, installed_command
from ..json_text import Document, new_text

_ONLY_WITH_CLAUDE = ("project", "agent", "dry_run", "remove")
_DEFAULT_AGENT = "lead"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace a teamsup.toml that is there")
    claude = parser.add_argument_group("for Claude Code")
    claude.add_argument("--claude", action="store_true", help="have the Claude Code sessions of a project take part")
    claude.add_argument("--project", type=Path, metavar="DIR", help="the project (default: this folder)")
    claude.add_argument("--agent", metavar="NAME", help=f"which agent they are (default: {_DEFAULT_AGENT})")
    claude.add_argument("--dry-run", action="store_true", help="only show what would be changed")
    claude.add_argument("--remove", action="store_true", help="take out again what this has written")


def run(arguments: argparse.Namespace) -> int:
    if not arguments.claude:
        if given := [name for name in _ONLY_WITH_CLAUDE if getattr(arguments, name)]:
            raise CallerError(f"--{given[0].replace('_', '-')} goes with --claude only.")
        return _write_configuration(arguments)
    if arguments.force:
        raise CallerError("--force replaces a teamsup.toml, which --claude does not write.")
    project = _project(arguments.project)
    return _remove(project, arguments) if arguments.remove else _set_up(project, arguments)


def _write_configuration(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    team.create()
    text = files("teamsup.supervisor").joinpath("teamsup.toml").read_text("utf-8")
    try:
        with team.configuration.open("w" if arguments.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CallerError(f"{team.configuration} is there already; --force replaces it.") from None
    except OSError:
        # A full disk leaves an empty file, which would be in the way the next time.
        with suppress(OSError):
            team.configuration.unlink()
        raise
    print(f"Wrote {team.configuration}. Edit it, then run: {command_line(team, 'start')}")
    return 0


def _project(folder: Path | None) -> Path:
    project = project_at(folder)
    if (project / ".claude").resolve() == user_folder().resolve():
        raise NoProject(
            f"{project} is no project: its .claude folder is your own, which counts everywhere. Say --project DIR; or, "
            f"for all projects: claude plugin marketplace add {plugin_folder()}, claude plugin install "
            f"{claude_project.PLUGIN}"
        )
    return project


def _set_up(project: Path, arguments: argparse.Namespace) -> int:
    path = settings_path(project)
    settings = read(path)
    there = {} if settings is None else claude_project.environment(settings)
    # Whoever calls this with a home of teams of their own, wants that one; all else stays as the project has it.
    if HOME in there and not os.environ.get(HOME):
        os.environ[HOME] = there[HOME]
    team = Team.named(arguments.team or there.get(TEAM))
    agent = fold_name(arguments.agent or there.get(AGENT) or _DEFAULT_AGENT)
    folder = plugin_folder()
    if not (folder / ".claude-plugin").is_dir():
        raise NoProject(f"This teamsup came without its plugin: there is no {folder}.")
    variables = _variables(there, team, agent)
    before = {} if settings is None else settings.value
    changed = _changed(settings, claude_project.with_plugin(before, str(folder), variables))
    strangers = _strangers(team, [agent, *sorted(file.stem for file in folder.glob("agents/*.md"))])
    for warning in _warnings(project):
        print(f"teamsup: {printable(warning)}", file=sys.stderr)
    if changed is None and not strangers:
        print(f"Nothing to be done: the sessions of {project} are agent {agent!r} of team {team.name!r}.")
        return 0
    if changed is not None:
        require_writable(path)
        _show(path, settings, changed)
    if arguments.dry_run:
        _say("Would write", [str(path)] if changed is not None else [])
        _say(f"Would enroll in team {team.name!r}", strangers)
        return 0
    if strangers:
        with MessageHub(team) as hub:
            for name in strangers:
                hub.enroll(name)
    if changed is not None:
        replace(path, changed)
        _say("Wrote", [str(path)])
    _say(f"Enrolled in team {team.name!r}", strangers)
    print(f"Claude Code sessions that start in {project} from now on are agent {agent!r} of team {team.name!r}.")
    print(f"See whether all is well with: {command_line(team, 'doctor', '--project', shlex.quote(str(project)))}")
    return 0


def _remove(project: Path, arguments: argparse.Namespace) -> int:
    path = settings_path(project)
    settings = read(path)
    changed = None
    if settings is not None:
        claude_project.environment(settings)
        changed = _changed(settings, claude_project.without_plugin(settings.value))
    if settings is None or changed is None:
        print(f"Nothing to be done: {path} has nothing of teamsup's.")
        return 0
    require_writable(path)
    # Where the file is a link, somebody wants it to be there.
    empty = Document(str(path), changed).value == {} and not path.is_symlink()
    _show(path, settings, "" if empty else changed)
    verb = "remove" if empty else "write"
    if arguments.dry_run:
        _say(f"Would {verb}", [str(path)])
        return 0
    if empty:
        remove(path)
    else:
        replace(path, changed)
    _say("Removed" if empty else "Wrote", [str(path)])
    print("The agents stay in the team, and what waits for them too.")
    return 0


def _variables(there: dict[str, str], team: Team, agent: str) -> dict[str, str]:
    """Our environment for the project's sessions; what means the same stays as it is spelt."""
    wanted = {AGENT: agent}
    if TEAM in there or team.name != "default":
        wanted[TEAM] = team.name
    if os.environ.get(HOME):
        wanted[HOME] = str(team.folder.parent)
    command = installed_command()
    if len(command) > 1:
        raise NoProject(f"There is no command teamsup beside {command[0]} that Claude Code could start.")
    if there.get(COMMAND, "").endswith("teamsup") or (COMMAND not in there and not _is_on_every_path(command[0])):
        wanted[COMMAND] = command[0]
    return {
        name: there[name] if name in there and _same(name, there[name], value) else value
        for name, value in wanted.items()
    }


def _same(name: str, one: str, other: str) -> bool:
    if name == HOME:
        return Path(one).expanduser().absolute() == Path(other)
    return one.strip().lower() == other if name in (AGENT, TEAM) else one == other


def _is_on_every_path(command: str) -> bool:
    """Whether 'teamsup' is this one also where no virtual environment is active."""
    found = shutil.which("teamsup")
    in_environment = sys.prefix != sys.base_prefix
    if found is None or (in_environment and Path(found).is_relative_to(sys.prefix)):
        return False
    return os.path.samefile(found, command)


def _changed(settings: Document | None, value: dict[str, object]) -> str | None:
    """The new text; None when it says what the old one does."""
    if settings is None:
        return new_text(value)
    return None if value == settings.value else settings.changed_to(value)


def _strangers(team: Team, names: list[str]) -> list[str]:
    """Those whom the team does not know. Raises InvalidName where the first, the project's agent, is no LLM agent's."""
    known = {}
    if team.database.exists():
        with MessageHub(team) as hub:
            known = {agent.name: agent.kind for agent in hub.agents()}
    if known.get(names[0], "agent") != "agent":
        raise InvalidName(f"{names[0]!r} is the team's {known[names[0]]} of that name; choose another with --agent.")
    return [name for name in dict.fromkeys(names) if name not in known]


def _warnings(project: Path) -> list[str]:
    """What else speaks for an agent in the same sessions."""
    found = seen_in(project)
    told = [
        f"The sessions of {project} have a second server, {server}; take it out, or they speak twice: "
        f"claude mcp remove {server.split()[0]}"
        for server in found.servers
    ]
    others = [plugin for plugin in found.plugins if plugin != claude_project.PLUGIN]
    told += [
        f"The sessions of {project} load another plugin, {plugin}; switch it off: claude plugin disable {plugin}"
        for plugin in others
    ]
    settings = read(settings_path(project))
    if settings is not None and not claude_project.is_shipped(
        settings.value.get("extraKnownMarketplaces", {}).get(claude_project.NAME)
    ):
        told.append(
            f"{settings.name} has a marketplace 'teamsup' of its own, which stays; the plugin comes from there."
        )
    if trouble := read_leniently(project / ".mcp.json")[1]:
        told.append(trouble)
    return told


def _show(path: Path, settings: Document | None, changed: str) -> None:
    old = "" if settings is None else settings.text
    names = "/dev/null" if settings is None else str(path), str(path) if changed else "/dev/null"
    before, after = (StringIO(text, newline="\n").readlines() for text in (old, changed))
    for line in unified_diff(before, after, *names):
        print(printable(line.rstrip("\r\n")))
        if not line.endswith("\n"):
            print("\\ No newline at end of file")


def _say(what: str, names: list[str]) -> None:
    if names:
        print(f"{what}: {', '.join(names)}")
