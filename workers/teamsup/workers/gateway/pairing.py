"""Pairing: whoever runs the team prints a one-time code, and who writes it to the bot is heard from then on.

Also ``teamsup pair``.
"""

import argparse
import hashlib
import json
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import CallerError, MessageHub
from teamsup.hub.clock import from_text, to_text
from teamsup.hub.command_line import existing_team
from teamsup.hub.wording import ago, presence, printable

_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that looks like another
_LENGTH = 8
_SECONDS = 600.0
_WRITTEN = re.compile(r"\s*/?pair\s*:?\s+([a-z0-9][a-z0-9 -]{0,20})\s*", re.IGNORECASE)


class NobodyPaired(CallerError):
    """Nobody of that number has paired."""

    exit_code = os.EX_NOUSER


@dataclass(frozen=True, slots=True)
class Person:
    user: int
    name: str
    paired_at: datetime | None


def new_code(hub: MessageHub) -> str:
    """A code that one person may use within ten minutes. The store keeps only its digest."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    now = time.time()
    with hub.transaction():
        hub.change("DELETE FROM discord_codes WHERE expires_at <= ?", (to_text(now),))
        hub.change("INSERT OR REPLACE INTO discord_codes VALUES (?, ?)", (_digest(code), to_text(now + _SECONDS)))
    return code


def code_in(text: str) -> str | None:
    """The code that somebody wrote, right or wrong; None where the text is about something else."""
    written = _WRITTEN.fullmatch(text)
    code = re.sub(r"[ -]", "", written[1]).upper() if written else ""
    return code if len(code) == _LENGTH else None


def redeem(hub: MessageHub, code: str, user: int, name: str) -> bool:
    """Whether the code was right. It is gone then, and its user is heard from now on."""
    now = to_text(time.time())
    with hub.transaction():
        used = hub.change("DELETE FROM discord_codes WHERE digest = ? AND expires_at > ?", (_digest(code), now))
        if used:
            hub.change("INSERT OR REPLACE INTO discord_people VALUES (?, ?, ?)", (user, name, now))
    return bool(used)


def people(hub: MessageHub) -> list[Person]:
    """Who has paired, the first to do so first."""
    rows = hub.rows("SELECT person, name, paired_at FROM discord_people ORDER BY paired_at")
    return [Person(row["person"], row["name"], from_text(row["paired_at"])) for row in rows]


def paired(hub: MessageHub) -> frozenset[int]:
    """Their numbers on Discord."""
    return frozenset(person.user for person in people(hub))


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Let somebody on Discord write to the team: print a code that they send to the bot."
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show who has paired")
    what.add_argument(
        "--remove", type=int, metavar="USER", help="remove a person who has paired, by their number on Discord"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    with MessageHub(existing_team(arguments.team)) as hub:
        if arguments.list:
            print(_shown(people(hub), as_json=arguments.json))
        elif arguments.remove is not None:
            if not hub.change("DELETE FROM discord_people WHERE person = ?", (arguments.remove,)):
                raise NobodyPaired(f"Nobody with the number {arguments.remove} has paired; see teamsup pair --list.")
            print(json.dumps({"removed": arguments.remove}) if arguments.json else "Not heard any longer.")
        else:
            code = new_code(hub)
            if arguments.json:
                print(json.dumps({"code": code, "seconds": int(_SECONDS)}))
            else:
                print(code)
                print(
                    f"Within {_SECONDS / 60:.0f} minutes, one person may write this to the bot on Discord, in a direct "
                    f"message: pair {code}",
                    file=sys.stderr,
                )
                now = datetime.now(UTC)
                if (gateway := hub.agent_named("gateway")) is None or not gateway.is_present(now):
                    state = "was never started" if gateway is None else f"is {presence(gateway, now)}"
                    print(f"The gateway {state}; it must run to hear that.", file=sys.stderr)
    return 0


def _shown(found: list[Person], *, as_json: bool) -> str:
    if as_json:
        rows = [
            {"user": each.user, "name": each.name, "paired_at": each.paired_at and each.paired_at.isoformat()}
            for each in found
        ]
        return json.dumps({"people": rows}, ensure_ascii=False)
    lines = [f"{each.user}  {printable(each.name)}  paired {ago(each.paired_at)}" for each in found]
    return "\n".join(lines) or "Nobody has paired."
