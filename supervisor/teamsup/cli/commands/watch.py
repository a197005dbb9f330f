"""``teamsup watch``: print a line when a new message waits for an agent, which wakes its idle Claude Code session."""

import argparse
import select
import signal
import sys
import time
from datetime import UTC, datetime
from types import FrameType

from teamsup.hub import MessageHub, SchemaTooNew, StoreError, Team
from teamsup.hub.models import WakeStep
from teamsup.terminal.console import open_as
from teamsup.terminal.formatting import sanitize

from ..arguments import add_agent
from ..claude.project_check import session_can_read

# This line never changes, so that no text of a sender reaches a model in this way.
WAKE_LINE = "teamsup: new messages wait for you. Read them with team_read_messages."
_GRACE_SECONDS = 0.3
_MAX_TURN_SECONDS = 30.0
_WAIT_SECONDS = 5.0
_CHECK_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_agent(parser, "the agent whose messages to watch for")
    help_text = "print a line only if a session of the agent is open and may call team_read_messages"
    parser.add_argument("--for-session", action="store_true", help=help_text)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    signal.signal(signal.SIGTERM, _end)
    while arguments.for_session and has_reader() and not session_can_read():
        time.sleep(_WAIT_SECONDS)
    while has_reader():
        try:
            with open_as(team, arguments.agent) as hub:
                while has_reader():
                    if arguments.for_session and not _is_present(hub):
                        time.sleep(_CHECK_SECONDS)
                    else:
                        _watch(hub)
        except SchemaTooNew:
            raise
        except StoreError as error:
            # If the monitor ended, it would wake its session without a reason, and no program would start it again.
            print(f"teamsup: {sanitize(str(error))}", file=sys.stderr, flush=True)
            time.sleep(_WAIT_SECONDS)
    return 0


def _watch(hub: MessageHub) -> None:
    if hub.wait(_WAIT_SECONDS, step=WakeStep.WOKEN):
        # A waiting read and the hooks of a running turn are quieter, so they come first. But an interrupted turn never
        # reports its end.
        ends_at = time.monotonic() + _MAX_TURN_SECONDS
        time.sleep(_GRACE_SECONDS)
        while _is_in_turn(hub) and time.monotonic() < ends_at and hub.wait(0, step=WakeStep.WOKEN):
            time.sleep(_GRACE_SECONDS)
        # A wake step whose line cannot be printed is lost.
        if has_reader() and hub.wake_ladder.take_wake_step(WakeStep.WOKEN):
            print(WAKE_LINE, flush=True)


def _is_present(hub: MessageHub) -> bool:
    agent = hub.find_agent(hub.agent)
    return agent is not None and agent.is_present(datetime.now(UTC))


def _is_in_turn(hub: MessageHub) -> bool:
    agent = hub.find_agent(hub.agent)
    return agent is not None and agent.is_present(datetime.now(UTC)) and agent.metadata.get("in_turn") is True


def has_reader() -> bool:
    """Return whether a process still reads this program's output. A killed session does not report its end."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return not output.poll(0)


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
