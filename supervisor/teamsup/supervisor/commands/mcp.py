"""``teamsup mcp``."""

import argparse
import os

from teamsup.hub import MessageHub, Team

from ..arguments import add_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_agent(parser, "in whose name the session sends and reads")


def run(arguments: argparse.Namespace) -> int:
    parent = os.getppid()
    with MessageHub(Team.named(arguments.team), agent=arguments.agent) as hub:
        # Half a second of imports: only once names and database are known to be fit.
        from teamsup.hub.team_comm_mcp_server import serve

        serve(hub, parent)
    return 0
