"""``teamsup init``: write a commented teamsup.toml and its schema; with --claude, set up a project's Claude Code."""

import argparse
from contextlib import suppress
from pathlib import Path

from teamsup.hub import CallerError, Team
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.hints import command_hint

from ..claude.project_settings import DEFAULT_AGENT
from ..claude.setup import install, uninstall

_ONLY_WITH_CLAUDE = ("project", "agent", "agents", "shared", "dry_run", "remove")

_SHORT_NAMES = {"gcp": "gcp-monitor", "oci": "oci-monitor"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="replace teamsup.toml; the old one is kept as teamsup.toml.old"
    )
    claude = parser.add_argument_group("for Claude Code")
    claude.add_argument("--claude", action="store_true", help="set up the Claude Code sessions of a project")
    complete_as(
        Kind.FOLDER,
        claude.add_argument("--project", type=Path, metavar="DIR", help="the project (default: this folder)"),
    )
    complete_as(
        Kind.MEMBER,
        claude.add_argument(
            "--agent", metavar="NAME", help=f"the agent name of the sessions (default: {DEFAULT_AGENT})"
        ),
    )
    claude.add_argument(
        "--agents",
        type=_parse_names,
        default=[],
        metavar="NAME,…",
        help="enroll these agents of teamsup's plugin: alert-manager, gcp-monitor (or gcp), oci-monitor (or oci) "
        "(default: none)",
    )
    claude.add_argument(
        "--shared",
        action="store_true",
        help="write the settings that fit every machine to .claude/settings.json, which you can commit; without "
        "--shared all settings are in settings.local.json",
    )
    claude.add_argument("--dry-run", action="store_true", help="only show the changes")
    claude.add_argument(
        "--remove",
        action="store_true",
        help="remove what 'teamsup init --claude' has written; also forget the project's agents that have never been "
        "active",
    )


def run(arguments: argparse.Namespace) -> int:
    if not arguments.claude:
        if given := [name for name in _ONLY_WITH_CLAUDE if getattr(arguments, name)]:
            raise CallerError(f"--{given[0].replace('_', '-')} needs --claude.")
        _write_configuration(Team.named(arguments.team), force=arguments.force)
    elif arguments.force:
        raise CallerError("--force replaces a teamsup.toml. It cannot be used with --claude.")
    elif arguments.remove:
        uninstall(arguments.project, arguments.agents, dry_run=arguments.dry_run)
    else:
        install(
            arguments.project,
            arguments.team,
            arguments.agent,
            arguments.agents,
            is_shared=arguments.shared,
            dry_run=arguments.dry_run,
        )
    return 0


def _parse_names(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    return [_SHORT_NAMES.get(name, name) for name in names]


def _write_configuration(team: Team, *, force: bool) -> None:
    from ..configuration.schema import write_schema
    from ..configuration.template import render_template

    team.create()
    if force and team.configuration.exists():
        old = team.configuration.with_suffix(".toml.old")
        team.configuration.replace(old)
        print(f"The former file is now {old}.")
    text = render_template()
    try:
        with team.configuration.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CallerError(f"{team.configuration} exists already; --force replaces it.") from None
    except OSError:
        # A full disk leaves an empty file, which would make the next try fail.
        with suppress(OSError):
            team.configuration.unlink()
        raise
    write_schema(team)
    print(f"Wrote {team.configuration}. Edit it, then run: {command_hint(team, 'start')}")
