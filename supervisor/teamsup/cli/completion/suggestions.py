"""Suggest a known word for a word that a command does not know. Pure."""

import re
from collections.abc import Sequence

from teamsup.hub.validation import find_similar, quote

_OTHER_NAMES = {
    "status": "ps",
    "list": "ps",
    "ls": "ps",
    "top": "ps --watch",
    "up": "start --detach",
    "run": "start",
    "down": "stop",
    "shutdown": "stop",
    "kill": "stop",
    "tail": "logs -f",
    "log": "logs",
    "update": "reload",
    "reread": "config check",
    "check-config": "config check",
    "validate": "config check",
    "incidents": "alerts",
    "silence": "alerts mute",
    "mute": "alerts mute",
    "ack": "alerts ack",
    "ask": "chat --once",
    "dead-letters": "hub dead-letters",
    "retry": "hub retry",
    "backup": "hub backup",
    "restore": "hub restore",
    "prune": "hub prune",
    "stats": "hub stats",
    "check": "doctor",
    "web": "open",
    "ui": "open",
    "version": "--version",
}
"""The names that commands of teamsup have in other programs."""
_CHOICE = re.compile(r"invalid choice: (?P<given>'.*?'|\".*?\") \(choose from (?P<known>.*)\)$", re.DOTALL)


def suggest_command(word: str, known: Sequence[str]) -> str:
    """Return the refusal of an unknown command."""
    meant = _OTHER_NAMES.get(word.lower()) or find_similar(word.lower(), known)
    hint = f"Did you mean: teamsup {meant}" if meant else "All commands: teamsup --help"
    return f"There is no command {quote(word)}. {hint}"


def suggest_option(unknown: Sequence[str], known: Sequence[str]) -> str:
    """Return the refusal of words that a command does not know."""
    given = " ".join(unknown)
    option = next((word.partition("=")[0] for word in unknown if word.startswith("-")), "")
    meant = find_similar(option, [name for name in known if name.startswith("--")]) if len(option) > 2 else ""
    return f"unrecognized arguments: {given}{f'. Did you mean {meant}?' if meant else ''}"


def suggest_choice(message: str) -> str:
    """Return argparse's refusal of a verb or value, with a suggestion."""
    found = _CHOICE.search(message)
    if found is None:
        return message
    known = [word.strip("'\"") for word in found["known"].split(", ")]
    meant = find_similar(found["given"][1:-1], known)
    return f"{message}. Did you mean {meant}?" if meant else message
