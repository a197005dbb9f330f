"""``teamsup forget``: remove all messages from and to a person, and the person's files and name."""

import argparse
import json
import sys

from teamsup.config.components import installed_tables
from teamsup.hub import CallerError, MessageHub
from teamsup.hub.errors import ExitCode
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import find_team

from ..attached_files import remove_orphaned_files


class ForgetNotConfirmed(CallerError):
    """Forgetting cannot be undone, so a person must confirm it."""

    exit_code = ExitCode.USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Remove every message from and to a person, the answers to these, and the person's files and name. "
        "This cannot be undone. It does not change backups."
    )
    parser.add_argument(
        "person", metavar="PERSON", help="discord:NUMBER, the number alone, or a console such as console-ann"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    person = str(arguments.person)
    name = f"discord:{person.strip()}" if person.strip().isdecimal() else person
    with MessageHub(find_team(arguments.team)) as hub:
        count = hub.maintenance.count_messages_of(name)
        if not arguments.yes:
            _confirm(person, count)
        gone = hub.maintenance.forget(name, installed_tables())
        remove_orphaned_files(hub, at_least_seconds=60.0)
    if arguments.json:
        print(json.dumps({"person": person, "messages": gone}))
    else:
        print(f"{gone} messages are gone." if gone else f"The team knew nothing about {sanitize(person)}.")
    return 0


def _confirm(person: str, count: int) -> None:
    what = f"{count} messages of {sanitize(person)} and the answers to them will be removed for good."
    if not sys.stdin.isatty():
        raise ForgetNotConfirmed(f"{what} Add --yes to do it.")
    print(f"{what} Continue? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ForgetNotConfirmed("Nothing was removed.")
