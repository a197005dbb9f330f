"""Types of command-line arguments, and the errors for wrong values."""

import argparse
import math
import os

from teamsup.hub.validation import quote
from teamsup.terminal.candidates import Kind, complete_as


def add_timeout(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument(
        "--timeout",
        type=non_negative,
        default=seconds,
        metavar="SECONDS",
        help=f"how long to wait (default: {seconds:.0f})",
    )


def add_agent(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add --agent NAME. It is optional if $TEAMSUP_AGENT names an agent."""
    default = os.environ.get("TEAMSUP_AGENT") or None
    complete_as(
        Kind.MEMBER,
        parser.add_argument(
            "--agent",
            default=default,
            required=default is None,
            metavar="NAME",
            help=f"{help_text} (default: $TEAMSUP_AGENT)",
        ),
    )


def positive_integer(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{quote(text)} is not a number of at least 1, or it is too large")
    return int(text)


def non_negative(text: str) -> float:
    """Return a number of at least 0, such as seconds or days."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{quote(text)} is not a number of at least 0")
    return number
