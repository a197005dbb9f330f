"""``teamsup pair``: let a Discord user write to the team.

The person who runs the team prints a one-time code. A user who sends that code to the bot may write from then on.
"""

import argparse
import hashlib
import re
import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.config.components import open_hub
from teamsup.hub import CallerError, MessageHub
from teamsup.hub.errors import ExitCode
from teamsup.hub.timestamps import format_time, parse_time
from teamsup.terminal.confirmation import require_confirmation
from teamsup.terminal.formatting import describe_presence, format_age, sanitize
from teamsup.terminal.hints import find_team
from teamsup.terminal.json_output import add_json_option, print_json, print_result

from ...protocol import GATEWAY
from ..component import component

_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without characters that look alike
_CODE_LENGTH = 8
_CODE_SECONDS = 600.0
_PAIR_COMMAND = re.compile(r"\s*/?pair\s*:?\s+([a-z0-9][a-z0-9 -]{0,20})\s*", re.IGNORECASE)


class NotPaired(CallerError):
    """No user with this number has paired."""

    exit_code = ExitCode.UNKNOWN


@dataclass(frozen=True, slots=True)
class PairedUser:
    id: int
    name: str
    paired_at: datetime | None


def create_code(hub: MessageHub) -> str:
    """Return a code that one user may use within ten minutes. The store keeps only its digest."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    now = time.time()
    with hub.transaction():
        hub.execute("DELETE FROM discord_pairing_codes WHERE expires_at <= ?", (format_time(now),))
        hub.execute(
            "INSERT INTO discord_pairing_codes (digest, expires_at) VALUES (?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at",
            (_digest(code), format_time(now + _CODE_SECONDS)),
        )
    return code


def parse_code(text: str) -> str | None:
    """Return the code in the text, right or wrong; None for any other text."""
    written = _PAIR_COMMAND.fullmatch(text)
    code = re.sub(r"[ -]", "", written[1]).upper() if written else ""
    return code if len(code) == _CODE_LENGTH else None


def redeem_code(hub: MessageHub, code: str, user: int, name: str) -> bool:
    """Return whether the code was right. A right code admits its user, and is then invalid."""
    now = format_time(time.time())
    with hub.transaction():
        used = hub.execute(
            "DELETE FROM discord_pairing_codes WHERE digest = ? AND expires_at > ?", (_digest(code), now)
        )
        if used:
            hub.execute(
                "INSERT INTO discord_people (person, name, paired_at) VALUES (?, ?, ?)"
                " ON CONFLICT (person) DO UPDATE SET name = excluded.name, paired_at = excluded.paired_at",
                (user, name, now),
            )
    return bool(used)


def paired_users(hub: MessageHub) -> list[PairedUser]:
    """Return the paired users, in the order of pairing."""
    rows = hub.query("SELECT person, name, paired_at FROM discord_people ORDER BY paired_at")
    return [PairedUser(row["person"], row["name"], parse_time(row["paired_at"])) for row in rows]


def paired_user_ids(hub: MessageHub) -> frozenset[int]:
    """Return the ids of the paired users on Discord."""
    return frozenset(person.id for person in paired_users(hub))


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Let a Discord user write to the team: print a code, which the user sends to the bot."
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list paired users")
    what.add_argument("--remove", type=int, metavar="USER", help="remove the paired user with this Discord ID")
    parser.add_argument("--yes", action="store_true", help="with --remove: do not ask")
    parser.add_argument("--dry-run", action="store_true", help="with --remove: only say who would be removed")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    with open_hub(component, find_team(arguments.team)) as hub:
        if arguments.list:
            _print_users(hub, as_json=arguments.json)
        elif arguments.remove is not None:
            _remove(hub, arguments)
        else:
            code = create_code(hub)
            if arguments.json:
                print_json(hub.team.name, code=code, seconds=int(_CODE_SECONDS))
            else:
                print(code)
                print(
                    f"Within {_CODE_SECONDS / 60:.0f} minutes, one person may write this to the bot on Discord, "
                    "in a direct "
                    f"message: pair {code}",
                    file=sys.stderr,
                )
                now = datetime.now(UTC)
                if (gateway := hub.find_agent(GATEWAY)) is None or not gateway.is_present(now):
                    state = "was never started" if gateway is None else f"is {describe_presence(gateway, now)}"
                    print(f"The gateway {state}; it must run to read the code.", file=sys.stderr)
    return 0


def _remove(hub: MessageHub, arguments: argparse.Namespace) -> None:
    """Remove a paired user, after a question. Raise NotPaired and NotConfirmed."""
    user = arguments.remove
    found = next((each for each in paired_users(hub) if each.id == user), None)
    if found is None:
        raise NotPaired(f"No user with the number {user} has paired. See: teamsup pair --list")
    name = sanitize(found.name)
    if not arguments.dry_run:
        require_confirmation(f"{name} will not be allowed to write to the bot.", is_given=arguments.yes)
        hub.execute("DELETE FROM discord_people WHERE person = ?", (user,))
    text = f"Would remove {name}." if arguments.dry_run else f"{name} may not write any longer."
    about = {"dry_run": arguments.dry_run, "user": user, "name": found.name}
    print_result(hub.team.name, text, as_json=arguments.json, **about)


def _print_users(hub: MessageHub, *, as_json: bool) -> None:
    found = paired_users(hub)
    if as_json:
        people = [{"user": each.id, "name": each.name, "paired_at": each.paired_at} for each in found]
        print_json(hub.team.name, people=people)
        return
    lines = [f"{each.id}  {sanitize(each.name)}  paired {format_age(each.paired_at)}" for each in found]
    print("\n".join(lines) or "Nobody has paired.")
