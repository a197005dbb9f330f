"""``teamsup demo``: show how an alert arrives, how an agent examines it, and how it ends."""

import argparse

from teamsup.hub import Team
from teamsup.terminal.hints import command_hint

from .agent_story import show_agent_story
from .alert_story import show_alert_story
from .demo_output import narrate

_PAUSE_SECONDS = 1.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show how an alert arrives, how an agent examines it, and how it ends. "
        "The demo needs ten seconds and no network. It uses a temporary team and removes it."
    )
    parser.add_argument(
        "--agent", action="store_true", help="show an agent at night: an alert starts it, and it asks you to decide"
    )
    parser.add_argument("--quick", action="store_true", help="do not pause for reading")


def run(arguments: argparse.Namespace) -> int:
    pause = 0.0 if arguments.quick else _PAUSE_SECONDS
    if arguments.agent:
        show_agent_story(pause)
        page = "agents"
    else:
        show_alert_story(pause)
        page = "monitoring"
    team = Team.named()
    narrate(f"The team has stopped, and its folder is removed. To run your own team: {command_hint(team, 'start')}")
    narrate(f"Then read: {command_hint(team, 'docs', page)}")
    return 0
