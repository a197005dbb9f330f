"""``teamsup watch``: a line whenever something new waits for an agent, which wakes its idle Claude Code session."""

import argparse
import select
import signal
import sys
import time
from datetime import UTC, datetime
from types import FrameType

from teamsup.hub import MessageHub, SchemaTooNew, StoreError, Team
from teamsup.hub.console import speaking_as
from teamsup.hub.messages import Step
from teamsup.hub.wording import printable

from ..arguments import add_agent

# Always the same, so that nothing anybody wrote reaches a model this way.
LINE = "teamsup: new messages wait for you. Read them with team_read_messages."
_GRACE_SECONDS = 0.3
_TURN_SECONDS = 30.0
_LOOK_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_agent(parser, "whose messages to watch for")


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    signal.signal(signal.SIGTERM, _end)
    while _is_read():
        try:
            with speaking_as(team, arguments.agent) as hub:
                while _is_read():
                    _watch(hub)
        except SchemaTooNew:
            raise
        except StoreError as error:
            # The end of a monitor would wake its session for nothing, and nobody starts it again.
            print(f"teamsup: {printable(str(error))}", file=sys.stderr, flush=True)
            time.sleep(_LOOK_SECONDS)
    return 0


def _watch(hub: MessageHub) -> None:
    if hub.wait(_LOOK_SECONDS, step=Step.WOKEN):
        # A waiting read, and the hooks of a running turn, are quieter: let them come first. But a turn that somebody
        # has broken off never says that it has ended.
        patience = time.monotonic() + _TURN_SECONDS
        time.sleep(_GRACE_SECONDS)
        while _is_in_turn(hub) and time.monotonic() < patience and hub.wait(0, step=Step.WOKEN):
            time.sleep(_GRACE_SECONDS)
        # Who takes a step and cannot say it swallows it.
        if _is_read() and hub.announce(Step.WOKEN):
            print(LINE, flush=True)


def _is_in_turn(hub: MessageHub) -> bool:
    agent = hub.agent_named(hub.agent)
    return agent is not None and agent.is_present(datetime.now(UTC)) and agent.metadata.get("in_turn") is True


def _is_read() -> bool:
    """Whether anybody is left at the other end of our output; a session that was killed says nothing."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return not output.poll(0)


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
