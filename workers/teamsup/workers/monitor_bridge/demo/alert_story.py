"""The story of an alert: it arrives, an agent examines it, a person acknowledges it, and it ends."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub, Team
from teamsup.terminal.console import open_console

from .demo_output import narrate, print_quoted, prompt
from .demo_team import post_alert, run_teamsup, temporary_team, wait_for_message, wait_until

_POLL_SECONDS = 0.2
_AGENT = "alert-manager"
_CONSOLE = "console-ann"
_LABELS = {"alertname": "HighCPU", "instance": "web-01", "severity": "critical"}
_SUMMARY = "web-01 is at 99 %"
_FINDING = "A backup has been running on web-01 since 02:00 and uses all of its CPU. It ends in about ten minutes."
_CONFIGURATION = f"""
[team]
agents = ["{_AGENT}"]
[monitor-bridge]
listen = "127.0.0.1:PORT"
[source.prometheus]
kind = "alertmanager"
[worker.gateway]
autostart = false
"""


def show_alert_story(pause: float) -> None:
    """Show the story, with pauses of ``pause`` seconds for reading. Raise DemoFailed."""
    narrate("This is one alert from its first message to its end. A temporary team on this machine handles it.")
    with temporary_team(_CONFIGURATION) as (team, port, besides):
        besides.start(_act_as_agent, team, pause)
        _show(team, port, pause)


def _show(team: Team, port: int, pause: float) -> None:
    with open_console(team, _CONSOLE) as you:
        wait_until(lambda: _is_agent_present(you), f"{_AGENT} did not register")
        began = datetime.now(UTC)
        narrate("1. Prometheus Alertmanager (simulated here) sends an alert:")
        print_quoted("HighCPU is firing: web-01 is at 99 % (critical)")
        time.sleep(pause)
        post_alert(port, _LABELS, _SUMMARY, began, None)
        found = wait_for_message(you, "on incident")
        narrate("3. The agent answers. You read its finding in Discord or, as here, in a terminal:")
        print_quoted(found.content)
        time.sleep(pause)
        narrate("4. You acknowledge the incident. The reminders stop:")
        prompt("/ack 1", pause)
        you.send(USER_COMM, "/ack 1")
        print_quoted(wait_for_message(you, "takes care").content)
        time.sleep(pause)
        narrate("5. Everybody can see who takes care of it:")
        print_quoted("$ teamsup alerts\n" + run_teamsup(team, "alerts"))
        time.sleep(pause)
        narrate("6. Alertmanager reports the end of the problem. The incident is resolved:")
        post_alert(port, _LABELS, _SUMMARY, began, datetime.now(UTC))
        print_quoted(wait_for_message(you, "Resolved").content)


def _act_as_agent(team: Team, pause: float, is_ending: Callable[[], bool]) -> None:
    """Answer the alert like an agent in Claude Code."""
    introduction = f"2. The alert becomes incident 1. The agent {_AGENT} (here a script) reads:"
    with MessageHub(team, agent=_AGENT) as hub:
        hub.register()
        while not is_ending():
            for delivery in hub.listen(_POLL_SECONDS):
                if "firing" in delivery.message.message_id:
                    narrate(introduction)
                    print_quoted(delivery.message.content)
                    time.sleep(2 * pause)
                    hub.reply(delivery, _FINDING)
                else:
                    hub.acknowledge(delivery)


def _is_agent_present(hub: MessageHub) -> bool:
    agent = hub.find_agent(_AGENT)
    return agent is not None and agent.is_present(datetime.now(UTC))
