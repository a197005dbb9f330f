"""``teamsup open``: see the team in a browser."""

import argparse
import os
import sys
import time
from datetime import UTC, datetime

from teamsup.config.components import open_hub
from teamsup.hub import CallerError, InvalidValue, MessageHub, Team
from teamsup.hub.errors import ExitCode
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.hints import command_hint, find_team

from ..protocol import WEB
from .access.authenticator import owner_name
from .access.sessions import create_link, end_all_sessions
from .component import component
from .presence import ADDRESS_KEY
from .run_files import write_link
from .sections import check_person

_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.05


class PageNotServed(CallerError):
    """The worker that serves the page does not run, or cannot serve it."""

    exit_code = ExitCode.UNAVAILABLE


class NoTerminal(CallerError):
    """There is no terminal that may show the link."""

    exit_code = ExitCode.NOT_ALLOWED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make a link that signs a browser in, print it, and open it. The link works once, within 10 minutes. "
        "It is a secret, so it is printed only to a terminal."
    )
    parser.add_argument("--as", dest="person", metavar="NAME", help="the link is for this person (default: you)")
    parser.add_argument(
        "--sign-out",
        action="store_true",
        help="instead of making a link, sign out all browsers of that person, and invalidate unused links",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the link")


def run(arguments: argparse.Namespace) -> int:
    try:
        person = check_person(arguments.person) if arguments.person else owner_name()
    except ValueError as error:
        raise InvalidValue(f"{error}.") from error
    team = find_team(arguments.team)
    if arguments.sign_out:
        return _sign_out(team, person)
    is_terminal = sys.stdout.isatty()
    # Do not open the link of another person in this person's browser.
    is_opened = arguments.person is None and not arguments.no_browser and _has_display()
    if not is_terminal and not is_opened:
        raise NoTerminal("The link signs anybody in, so it is printed only to a terminal. Run this in a terminal.")
    with open_hub(component, team) as hub:
        address = _wait_for_address(hub, team)
        link = f"{address}/sign-in#{create_link(hub, person, time.time())}"
    if is_terminal:
        print(f"The team in a browser: {link}\nThe link is for {person}. It works once, within 10 minutes.", flush=True)
    if is_opened and not _open_browser(team, link) and not is_terminal:
        raise NoTerminal("No browser could be opened. Run this in a terminal, which shows the link.")
    return 0


def _sign_out(team: Team, person: str) -> int:
    with open_hub(component, team) as hub:
        count = end_all_sessions(hub, person)
    browsers = {0: "No browser", 1: "1 browser"}.get(count, f"{count} browsers")
    print(f"{browsers} of {person} {'is' if count < 2 else 'are'} signed out. Open pages close within 15 seconds.")
    return 0


def _wait_for_address(hub: MessageHub, team: Team) -> str:
    """Return the address of the page. Wait a moment, because the worker may have just started. Raise PageNotServed."""
    ends = time.monotonic() + _WAIT_SECONDS
    while True:
        agent = hub.find_agent(WEB)
        now = datetime.now(UTC)
        is_present = agent is not None and agent.is_present(now)
        if agent is not None and is_present and isinstance(address := agent.metadata.get(ADDRESS_KEY), str):
            return address
        if agent is None or not is_present or agent.degraded or time.monotonic() >= ends:
            why = f" {sanitize(agent.note)}" if agent is not None and agent.note else ""
            raise PageNotServed(f"The page is not served now.{why} See: {command_hint(team, 'ps')}")
        time.sleep(_LOOK_SECONDS)


def _has_display() -> bool:
    """Return whether a browser would open in a window, and not in this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _open_browser(team: Team, link: str) -> bool:
    """Open the link through a file. The worker removes the file when the link was used or has expired."""
    import webbrowser  # only this command needs it

    return webbrowser.open(write_link(team.run, link).as_uri())
