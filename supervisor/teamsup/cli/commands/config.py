"""``teamsup config``: check teamsup.toml."""

import argparse

from teamsup.hub import Team
from teamsup.hub.errors import ExitCode
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint
from teamsup.terminal.json_output import print_json
from teamsup.terminal.verbs import add_verb

EXAMPLES = ("teamsup config check", "teamsup config check && teamsup reload")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    check = add_verb(
        verbs, "check", "show every mistake in teamsup.toml with its line; exit code 78: it has some", _check
    )
    check.add_argument("--json", action="store_true", help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    return int(arguments.verb(Team.named(arguments.team), arguments))


def _check(team: Team, arguments: argparse.Namespace) -> int:
    from teamsup.supervisor.configuration.mistakes import find_mistakes

    mistakes = find_mistakes(team)
    if arguments.json:
        print_json(team.name, file=team.configuration, mistakes=mistakes)
    else:
        for each in mistakes:
            print(sanitize(f"{team.configuration}{'' if each.line is None else f':{each.line}'}: {each.text}"))
        if not mistakes:
            print(f"{team.configuration} has no mistake. Apply it with: {command_hint(team, 'reload')}")
    return ExitCode.NOT_CONFIGURED if mistakes else ExitCode.DONE
