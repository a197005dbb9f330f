"""What user_comm does with a line."""

from datetime import UTC, datetime, timedelta

import pytest

from teamsup.hub import Agent
from teamsup.workers.user_comm.answers import HELP, Answer, Relay, decide

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEAD = Agent("lead", "agent", "busy", NOW, {"note": "reading logs"}, 2)
GCP = Agent("gcp-monitor", "agent", "online", NOW - timedelta(minutes=5), {}, 0)
GATEWAY = Agent("gateway", "daemon", "not configured", NOW - timedelta(seconds=20), {"note": "No token."}, 0)
ANN = Agent("console-ann", "console", "online", NOW, {}, 0)
TEAM = [LEAD, GCP, GATEWAY, ANN]


@pytest.mark.parametrize("line", ["Hello", "hello!", " HI ", "hey team", "Hello there 👋", "hi\n"])
def test_it_greets(line: str) -> None:
    assert decide(line, TEAM, NOW) == Answer("Hi there! 👋")


@pytest.mark.parametrize("line", ["help", "Help!", "help?"])
def test_it_knows_help(line: str) -> None:
    assert decide(line, TEAM, NOW) == Answer(HELP)


def test_it_knows_who_is_in_the_team() -> None:
    assert decide("agents", TEAM, NOW) == Answer(
        "lead: busy (reading logs)\ngcp-monitor: silent, last seen 5m 0s ago\ngateway: not configured (No token.)"
    )


def test_it_knows_how_the_team_is() -> None:
    assert decide("status", TEAM, NOW) == Answer("gateway: not configured (No token.)\nunread: lead 2")


@pytest.mark.parametrize(
    ("line", "agent", "text"),
    [
        ("@lead how are you?", LEAD, "how are you?"),
        ("@Lead: how are you?", LEAD, "how are you?"),
        ("@gcp-monitor, two\nlines", GCP, "two\nlines"),
        ("@gateway help", GATEWAY, "help"),
    ],
)
def test_it_passes_a_mention_on(line: str, agent: Agent, text: str) -> None:
    assert decide(line, TEAM, NOW) == Relay(agent, text)


def test_a_mention_of_nobody_is_said_so() -> None:
    assert decide("@ghost boo", TEAM, NOW) == Answer(
        "There is no agent named ghost here. Known are: lead, gcp-monitor, gateway."
    )


def test_a_mention_without_text_is_asked_back() -> None:
    assert decide("@lead", TEAM, NOW) == Answer("What shall I tell lead? Write: @lead your text")


@pytest.mark.parametrize("line", ["highlight this", "what is the load?", "mail ann@lead now", "👋"])
def test_it_says_honestly_what_it_does_not_know(line: str) -> None:
    assert decide(line, TEAM, NOW) == Answer("I can greet, and I know these:\n" + HELP)
