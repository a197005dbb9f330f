"""``teamsup mcp``."""

import argparse
import gc
import os

from teamsup.config.components import normalize_session_agent
from teamsup.hub import MessageHub, Team

from ..arguments import add_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_agent(parser, "the agent in whose name the session sends and reads")


def run(arguments: argparse.Namespace) -> int:
    parent = os.getppid()
    with MessageHub(Team.named(arguments.team), agent=normalize_session_agent(arguments.agent), model=True) as hub:
        # Half a second of imports: only once names and database are known to be fit. They leave nothing to collect,
        # then or later, and looking for it would take a tenth of that time, and as much again at the end.
        gc.disable()
        from teamsup.claude_code.team_comm_mcp_server import serve_session

        gc.freeze()
        gc.enable()
        serve_session(hub, parent)
    return 0
