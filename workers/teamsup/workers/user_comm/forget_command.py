"""``teamsup forget``: remove all messages from and to a person, and the person's files and name."""

import argparse

from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub
from teamsup.terminal import progress
from teamsup.terminal.confirmation import require_confirmation
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import find_team
from teamsup.terminal.json_output import add_json_option, print_result

from ..attached_files import remove_orphaned_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Remove every message from and to a person, the answers to these, and the person's files and name. "
        "This cannot be undone. It does not change backups."
    )
    parser.add_argument(
        "person", metavar="PERSON", help="discord:NUMBER, the number alone, or a console such as console-ann"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="only count the messages")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    person = str(arguments.person)
    name = f"discord:{person.strip()}" if person.strip().isdecimal() else person
    with MessageHub(find_team(arguments.team)) as hub:
        count = hub.maintenance.count_messages_of(name)
        what = f"{count} messages of {sanitize(person)} and the answers to them"
        if arguments.dry_run:
            about = {"dry_run": True, "person": person, "messages": count}
            print_result(hub.team.name, f"Would remove {what}.", as_json=arguments.json, **about)
            return 0
        require_confirmation(f"{what} will be removed for good.", is_given=arguments.yes)
        with progress.during("Removing messages"):
            gone = hub.maintenance.forget(name, installed_tables())
            remove_orphaned_files(hub, at_least_seconds=60.0)
    text = f"{gone} messages are gone." if gone else f"The team knew nothing about {sanitize(person)}."
    about = {"dry_run": False, "person": person, "messages": gone}
    print_result(hub.team.name, text, as_json=arguments.json, **about)
    return 0
