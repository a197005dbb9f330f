"""The story of an alert at night. It starts an agent, which asks a person, continues after the answer, and ends the
incident.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub import Message, MessageHub, Team
from teamsup.terminal.console import open_console

from .demo_output import narrate, print_quoted, prompt
from .demo_team import DemoFailed, post_alert, run_teamsup, temporary_team, wait_for_message, wait_until

_AGENT = "alert-manager"
_CONSOLE = "console-ann"
_LABELS = {"alertname": "QueueStuck", "instance": "web-01", "severity": "critical"}
_SUMMARY = "The queue of web-01 does not move"
_TIMEOUT_SECONDS = 20.0
_SCRIPT = Path(__file__).with_name("agent_program.py")


def show_agent_story(pause: float) -> None:
    """Show the story, with pauses of ``pause`` seconds for reading. Raise DemoFailed."""
    narrate(
        "It is night, and nobody sits at an agent's session. A temporary team on this machine handles one alert. "
        "A script stands in for the model, and its costs are invented."
    )
    with temporary_team(_configuration(pause)) as (team, port, _):
        _show(team, port, pause)


def _configuration(pause: float) -> str:
    command = json.dumps([sys.executable, "-I", str(_SCRIPT), str(pause)])
    return f"""
[team]
agents = ["{_AGENT}"]
[agent.{_AGENT}]
start = ["message"]
command = {command}
[monitor-bridge]
listen = "127.0.0.1:PORT"
[source.prometheus]
kind = "alertmanager"
[worker.gateway]
autostart = false
"""


def _show(team: Team, port: int, pause: float) -> None:
    with open_console(team, _CONSOLE) as you:
        began = datetime.now(UTC)
        narrate("1. Prometheus Alertmanager (simulated here) sends an alert:")
        print_quoted("QueueStuck is firing: the queue of web-01 does not move (critical)")
        time.sleep(pause)
        post_alert(port, _LABELS, _SUMMARY, began, None)
        asked = _wait_for_question(you)
        narrate(f"2. The alert becomes incident 1. agent-runner has started {_AGENT}, which has looked, and now asks:")
        print_quoted(asked.content)
        time.sleep(pause)
        narrate("3. While it waits, no process runs. You decide in Discord or, as here, in a terminal:")
        prompt(f"/decide {_number(asked)} 1", pause)
        you.send(USER_COMM, f"/decide {_number(asked)} 1")
        narrate("4. agent-runner starts it again with your decision. It acts, and answers:")
        print_quoted(wait_for_message(you, "I have restarted").content)
        time.sleep(pause)
        narrate("5. Alertmanager reports the end of the problem. The incident is resolved:")
        post_alert(port, _LABELS, _SUMMARY, began, datetime.now(UTC))
        print_quoted(wait_for_message(you, "Resolved").content)
        time.sleep(pause)
        wait_until(lambda: '"running"' not in run_teamsup(team, "runs", "--json"), "its runs did not end")
        narrate("6. In the morning you see what ran, why, and what it cost:")
        print_quoted("$ teamsup runs\n" + run_teamsup(team, "runs"))
        print_quoted("$ teamsup alerts --all\n" + run_teamsup(team, "alerts", "--all"))


def _wait_for_question(you: MessageHub) -> Message:
    for delivery in you.listen(_TIMEOUT_SECONDS):
        you.acknowledge(delivery)
        if delivery.message.message_type == DECISION_REQUEST:
            return delivery.message
    raise DemoFailed(f"The demo's agent asked nothing in {_TIMEOUT_SECONDS:.0f} s.")


def _number(asked: Message) -> int:
    """Return the number of the decision."""
    return int(asked.metadata.get("decision", asked.id))
