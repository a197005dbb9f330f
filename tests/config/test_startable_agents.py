from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from teamsup.config.startable_agents import (
    AGENT_RUNNER,
    OBSTACLE,
    STARTABLE,
    StartableAgent,
    find_agent,
    list_agents,
    read_cost_today,
    read_startable_agents,
)
from teamsup.hub import Agent, MessageHub, Team

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def runner(startable: object, seen: datetime = NOW) -> Agent:
    metadata: Mapping[str, Any] = {STARTABLE: startable}
    return Agent(AGENT_RUNNER, "daemon", "online", seen, metadata, 0)


def test_an_agent_that_can_be_started_is_read_as_it_was_written() -> None:
    agent = StartableAgent(("message", "schedule"), "at its limit", 12.5, 1, 2, 3, 0.25, 99.0)
    assert read_startable_agents([runner({"gcp": agent.to_metadata()})], NOW) == {"gcp": agent}


def test_a_usual_value_takes_no_room_in_a_heartbeat() -> None:
    assert StartableAgent(("message",)).to_metadata() == {"starts_on": ("message",)}


def test_the_cost_of_today_is_known_from_a_present_runner_and_nothing_where_no_agent_can_be_started() -> None:
    costs = {name: StartableAgent(usd_today=usd).to_metadata() for name, usd in (("gcp", 1.25), ("oci", 0.5))}
    assert read_cost_today([runner(costs)], NOW) == 1.75
    assert read_cost_today([runner(costs, NOW - timedelta(minutes=1))], NOW) is None
    assert read_cost_today([], NOW) is None
    assert read_cost_today([replace(runner({}), status="not configured")], NOW) == 0.0


def test_only_a_present_runner_starts_agents() -> None:
    gone = runner({"gcp": StartableAgent(("message",)).to_metadata()}, NOW - timedelta(minutes=1))
    assert read_startable_agents([gone], NOW) == {}
    assert read_startable_agents([], NOW) == {}


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (StartableAgent(), ""),
        (StartableAgent(running=1), "Bash, turn 2"),
        (StartableAgent(running=1, waiting_for_people=1), "Bash, turn 2"),
        (StartableAgent(waiting_for_people=1), "waits until people decide"),
        (StartableAgent(obstacle="ann paused it", running=1), "not started now: ann paused it"),
    ],
)
def test_its_present_state_is_said_in_a_few_words(start: StartableAgent, words: str) -> None:
    assert start.describe_now("Bash, turn 2") == words


def test_an_obstacle_is_named_with_its_end() -> None:
    words = StartableAgent(obstacle="its limit", until=1_893_456_000.0).describe_obstacle()
    assert words == "not started before 2030-01-01 00:00:00 UTC: its limit"


def test_an_agent_with_an_obstacle_receives_no_message() -> None:
    assert StartableAgent(("message",)).hears_messages
    assert not StartableAgent(("message",), "paused").hears_messages
    assert not StartableAgent(("schedule",)).hears_messages


@pytest.mark.parametrize("written", [None, "x", ["gcp"], {"gcp": 3}])
def test_values_that_a_foreign_program_has_written_are_left_out(written: object) -> None:
    assert read_startable_agents([runner(written)], NOW) == {}


def test_a_value_of_another_type_counts_as_missing() -> None:
    written = {"gcp": {"starts_on": "message", "running": True, "usd_today": "much", "until": [1]}}
    assert read_startable_agents([runner(written)], NOW) == {"gcp": StartableAgent()}


@pytest.fixture
def hub(team: Team) -> Iterator[MessageHub]:
    """A team with an agent that a message starts, one that is at its limit, and one that only a schedule starts."""
    with MessageHub(team, agent=AGENT_RUNNER) as hub:
        for name in ("gcp", "oci", "nightly", "parked"):
            hub.enroll(name)
        startable = {
            "gcp": StartableAgent(("message",)),
            "oci": StartableAgent(("message",), "at its limit"),
            "nightly": StartableAgent(("schedule",)),
            "parked": StartableAgent(("message",), waiting_for_people=1),
        }
        hub.register("daemon", startable={name: each.to_metadata() for name, each in startable.items()})
        yield hub


def test_an_absent_agent_that_a_message_starts_is_present_and_asleep(hub: MessageHub) -> None:
    for found in (find_agent(hub, "gcp"), {agent.name: agent for agent in list_agents(hub)}["gcp"]):
        assert found is not None
        assert found.is_present(datetime.now(UTC))
        assert (found.status, found.note) == ("asleep", "a message starts it")


def test_an_agent_at_its_limit_stays_absent_and_says_why(hub: MessageHub) -> None:
    found = find_agent(hub, "oci")

    assert found is not None
    assert not found.is_present(datetime.now(UTC))
    assert found.metadata[OBSTACLE] == found.note == "not started now: at its limit"


def test_an_agent_that_waits_for_people_is_asleep_and_says_so(hub: MessageHub) -> None:
    found = find_agent(hub, "parked")

    assert found is not None
    assert (found.status, found.note) == ("asleep", "waits until people decide")


def test_an_agent_that_no_message_starts_is_shown_as_before(hub: MessageHub) -> None:
    assert find_agent(hub, "nightly") == hub.find_agent("nightly")


def test_an_agent_with_an_open_session_is_as_it_says_itself(hub: MessageHub) -> None:
    with MessageHub(hub.team, agent="gcp") as gcp:
        gcp.register(status="busy")
        assert find_agent(hub, "gcp") == hub.find_agent("gcp")


def test_a_name_that_nobody_has_is_not_found(hub: MessageHub) -> None:
    assert find_agent(hub, "nobody") is None
