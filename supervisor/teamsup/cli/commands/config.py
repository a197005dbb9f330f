"""``teamsup config``: check teamsup.toml, show its values, and print its JSON Schema."""

import argparse
import os

from teamsup.hub import Team
from teamsup.hub.errors import ExitCode
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import UnknownTeam, command_hint, suggest_team
from teamsup.terminal.json_output import print_json
from teamsup.terminal.verbs import add_verb

EXAMPLES = (
    "teamsup config check && teamsup reload",
    "teamsup config show",
    "teamsup config show --defaults",
    "teamsup config schema --write",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    check = add_verb(
        verbs, "check", "show every mistake in teamsup.toml with its line; exit code 78 if there are any", _check
    )
    check.add_argument("--json", action="store_true", help="print JSON for programs")
    show = add_verb(
        verbs, "show", "show each value and where it comes from: the file, the environment or the default", _show
    )
    show.add_argument("--defaults", action="store_true", help="show the defaults and the ranges instead")
    show.add_argument("--json", action="store_true", help="print JSON for programs")
    schema = add_verb(verbs, "schema", "print the JSON Schema of teamsup.toml, for editors", _schema)
    schema.add_argument("--write", action="store_true", help="write it to a file beside teamsup.toml instead")


def run(arguments: argparse.Namespace) -> int:
    return int(arguments.verb(Team.named(arguments.team), arguments))


def _check(team: Team, arguments: argparse.Namespace) -> int:
    from teamsup.supervisor.configuration.mistakes import find_mistakes

    from ..configuration.schema import is_schema_old

    mistakes = find_mistakes(team)
    if arguments.json:
        print_json(team.name, file=team.configuration, mistakes=mistakes)
    else:
        for each in mistakes:
            print(sanitize(f"{team.configuration}{'' if each.line is None else f':{each.line}'}: {each.text}"))
        if not mistakes:
            print(f"{team.configuration} has no mistake. Apply it with: {command_hint(team, 'reload')}")
        if is_schema_old(team):
            print(f"Its schema is of another version. Renew it with: {command_hint(team, 'config schema --write')}")
    return ExitCode.NOT_CONFIGURED if mistakes else ExitCode.DONE


def _show(team: Team, arguments: argparse.Namespace) -> int:
    from teamsup.config.loader import load_file
    from teamsup.hub.validation import list_names
    from teamsup.status.team_lock import owner_pid
    from teamsup.supervisor.configuration.team_configuration import parse_configuration, require_sound

    from ..configuration.effective import find_defaults, find_secrets, find_values, find_waiting
    from ..configuration.show import render_defaults, render_values

    if arguments.defaults:
        sections = find_defaults()
        if arguments.json:
            print_json(team.name, sections=sections)
        else:
            print("\n".join(render_defaults(sections)).lstrip())
        return ExitCode.DONE
    _require_folder(team)
    has_file = team.configuration.exists()
    found = require_sound(parse_configuration(team, load_file(team, must_exist=False)))
    sections, secrets = find_values(found.tables, os.environ), find_secrets(found, os.environ)
    waiting = find_waiting(team, found.tables) if owner_pid(team) is not None else []
    if arguments.json:
        file = team.configuration if has_file else None
        print_json(team.name, file=file, sections=sections, secrets=secrets, waiting=waiting)
    else:
        notes = [f"{team.configuration}: {'as saved' if has_file else 'does not exist, so the defaults apply'}"]
        if waiting:
            names = list_names([f"[{name}]" for name in waiting])
            notes.append(f"The running team has other values in {names} until: {command_hint(team, 'reload')}")
        lines = [*(f"# {note}" for note in notes), *render_values(sections, secrets)]
        print("\n".join(map(sanitize, lines)))
    return ExitCode.DONE


def _schema(team: Team, arguments: argparse.Namespace) -> int:
    from ..configuration.schema import render_schema, write_schema

    if arguments.write:
        _require_folder(team)
        print(f"Wrote {write_schema(team)}.")
    else:
        print(render_schema(), end="")
    return ExitCode.DONE


def _require_folder(team: Team) -> None:
    if not team.folder.is_dir():
        hint = f"Write its configuration with: {command_hint(team, 'init')}"
        raise UnknownTeam(f"There is no team {team.name!r} in {team.folder.parent} yet.{suggest_team(team)} {hint}")
