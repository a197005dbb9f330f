"""``teamsup mcp``."""

import argparse
import gc
import os

from teamsup.config.components import normalize_session_agent
from teamsup.hub import MessageHub, Team

from ..arguments import add_agent
from ..claude.project_check import session_can_read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_agent(parser, "the session's agent")
    parser.add_argument("--launcher", type=int, nargs=2, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    claude = os.getppid()
    with MessageHub(Team.named(arguments.team), agent=normalize_session_agent(arguments.agent), model=True) as hub:
        # These imports take half a second, so check names and database first. The imports leave no garbage, so switch
        # the collector off. It would take a tenth of that time, and as much again at the end.
        gc.disable()
        from teamsup.claude_code.session_starter import Launcher, SessionStarter
        from teamsup.claude_code.team_comm_mcp_server import serve_session

        gc.freeze()
        gc.enable()
        starter = Launcher(*arguments.launcher) if arguments.launcher else SessionStarter(claude)
        # If the server does not belong to a plugin, its tools have other names.
        serve_session(hub, starter, can_read="CLAUDE_PLUGIN_ROOT" not in os.environ or session_can_read())
    return 0
