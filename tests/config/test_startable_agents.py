from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from teamsup.config.startable_agents import AGENT_RUNNER, STARTABLE, StartableAgent, read_startable_agents
from teamsup.hub import Agent

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def runner(startable: object, seen: datetime = NOW) -> Agent:
    metadata: Mapping[str, Any] = {STARTABLE: startable}
    return Agent(AGENT_RUNNER, "daemon", "online", seen, metadata, 0)


def test_an_agent_that_can_be_started_is_read_as_it_was_written() -> None:
    agent = StartableAgent(("message", "schedule"), "at its limit", 12.5, 1, 3, 0.25, 99.0)
    assert read_startable_agents([runner({"gcp": agent.to_metadata()})], NOW) == {"gcp": agent}


def test_what_is_as_usual_takes_no_place_in_a_heartbeat() -> None:
    assert StartableAgent(("message",)).to_metadata() == {"starts_on": ("message",)}


def test_only_a_present_runner_starts_agents() -> None:
    gone = runner({"gcp": StartableAgent(("message",)).to_metadata()}, NOW - timedelta(minutes=1))
    assert read_startable_agents([gone], NOW) == {}
    assert read_startable_agents([], NOW) == {}


def test_an_agent_with_an_obstacle_hears_no_message() -> None:
    assert StartableAgent(("message",)).hears_messages
    assert not StartableAgent(("message",), "paused").hears_messages
    assert not StartableAgent(("schedule",)).hears_messages


@pytest.mark.parametrize("written", [None, "x", ["gcp"], {"gcp": 3}])
def test_what_a_foreign_program_has_written_is_left_out(written: object) -> None:
    assert read_startable_agents([runner(written)], NOW) == {}


def test_a_value_of_another_type_counts_as_missing() -> None:
    written = {"gcp": {"starts_on": "message", "running": True, "usd_today": "much", "until": [1]}}
    assert read_startable_agents([runner(written)], NOW) == {"gcp": StartableAgent()}
