"""Who gets what a person writes."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from teamsup.config.components import people_commands
from teamsup.config.people_protocol import CommandDefinition
from teamsup.hub import Agent
from teamsup.workers.pattern_matcher import PatternMatcher
from teamsup.workers.user_comm.commands import render_agents, render_help, render_status
from teamsup.workers.user_comm.outcome import ErrorReply, Reply
from teamsup.workers.user_comm.routing import rules
from teamsup.workers.user_comm.routing.rules import (
    Forward,
    Origin,
    PersonCommand,
    RoutingRules,
    describe_slow_pattern,
    route_line,
)
from teamsup.workers.user_comm.sections import MessageRouteSection, UserCommSection

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEAD = Agent("lead", "agent", "busy", NOW, {"note": "reading logs"}, 2)
GCP = Agent("gcp-monitor", "agent", "online", NOW - timedelta(minutes=5), {}, 0)
OCI = Agent("oci-monitor", "agent", "offline", None, {}, 0)
GATEWAY = Agent("gateway", "daemon", "not configured", NOW - timedelta(seconds=20), {"note": "No token."}, 0)
ANN = Agent("console-ann", "console", "online", NOW, {}, 0)
TEAM = [LEAD, GCP, OCI, GATEWAY, ANN]
HERE = Origin()
NO_RULES = RoutingRules()
RULES = RoutingRules(
    UserCommSection(default_agent="lead", aliases={"gcp": "gcp-monitor", "Boss": "Lead"}),
    (
        MessageRouteSection(agents=("oci-monitor",), channels=(7,)),
        MessageRouteSection(agents=("gcp-monitor",), keywords=("load", "big query"), pattern=r"vm-\d+"),
        MessageRouteSection(agents=("oci-monitor", "gcp-monitor"), keywords=("bill",)),
        MessageRouteSection(agents=("nobody-yet",), keywords=("moon",)),
    ),
)


def names(found: object) -> list[str]:
    assert isinstance(found, Forward)
    return [agent.name for agent in found.agents]


@pytest.mark.parametrize(
    ("line", "place", "agents"),
    [
        ("@oci-monitor what is the load?", HERE, ["oci-monitor"]),
        ("@gcp, how is it?", Origin(("lead",)), ["gcp-monitor"]),
        ("@BOSS: hello", HERE, ["lead"]),
        ("@gcp @oci-monitor hello", HERE, ["gcp-monitor", "oci-monitor"]),
        ("@gcp, @oci-monitor: hello", HERE, ["gcp-monitor", "oci-monitor"]),
        ("@gcp and @gcp-monitor hello", HERE, ["gcp-monitor"]),
        ("@gcp und @lead hello", HERE, ["gcp-monitor", "lead"]),
        ("/ask gcp how is it?", HERE, ["gcp-monitor"]),
        ("/ask @lead how is it?", HERE, ["lead"]),
        ("what is the LOAD?", Origin(("oci-monitor",)), ["oci-monitor"]),
        ("what is the LOAD?", Origin(channels=frozenset({7})), ["gcp-monitor"]),
        ("download it", HERE, ["lead"]),
        ("restart VM-12 now", HERE, ["gcp-monitor"]),
        ("the bill for big query", HERE, ["gcp-monitor"]),
        ("the bill", HERE, ["oci-monitor", "gcp-monitor"]),
        ("good night", Origin(channels=frozenset({6, 7})), ["oci-monitor"]),
        ("good night", Origin(("gone",), frozenset({7})), ["oci-monitor"]),
        ("shoot for the moon", HERE, ["lead"]),
        ("Hello", HERE, ["lead"]),
        ("/etc/hosts is broken", HERE, ["lead"]),
        ("@everyone the disk is full", HERE, ["lead"]),
        ("@here @gcp the disk is full", HERE, ["gcp-monitor"]),
    ],
)
def test_the_first_rule_that_fits_says_who_gets_it(line: str, place: Origin, agents: list[str]) -> None:
    assert names(route_line(line, place, RULES, TEAM)) == agents


def test_a_pattern_that_would_take_years_does_not_fit_and_people_are_notified() -> None:
    bad = MessageRouteSection(agents=("lead",), pattern="(a|aa)+$")
    rules, patterns = RoutingRules(routes=(bad, *RULES.routes)), PatternMatcher()
    assert names(route_line("a" * 60 + "! vm-1", HERE, rules, TEAM, patterns)) == ["gcp-monitor"]
    assert (
        describe_slow_pattern(rules, patterns) == "the pattern '(a|aa)+$' takes too long, so it does not always apply"
    )
    assert describe_slow_pattern(RULES, patterns) == ""


@pytest.mark.parametrize(
    ("line", "stays"), [("@gcp hello", True), ("/ask gcp hello", True), ("the load?", True), ("hello", False)]
)
def test_a_conversation_stays_with_whom_was_named_or_meant_by_a_word(line: str, stays: bool) -> None:
    found = route_line(line, HERE, RULES, TEAM)
    assert isinstance(found, Forward)
    assert found.sticky is stays


@pytest.mark.parametrize("command", people_commands(), ids=lambda command: command.name)
def test_a_command_comes_before_everything(command: CommandDefinition) -> None:
    if command.name != "ask":
        expected = PersonCommand(command.name, "1 2")
        assert route_line(f"/{command.name.upper()}  1 2 ", Origin(("lead",)), RULES, TEAM) == expected


def test_a_command_of_another_worker_may_have_digits_and_hyphens(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = CommandDefinition("deploy-2", "deploy it", worker="ci", request="run")
    monkeypatch.setattr(rules, "find_command", {"deploy-2": deploy}.get)
    assert route_line("/deploy-2 now", HERE, RULES, TEAM) == PersonCommand("deploy-2", "now")
    assert names(route_line("/var_log is full", HERE, RULES, TEAM)) == ["lead"], "it is not a command, so it is a text"


def test_each_line_of_the_help_fits_beside_a_name_in_80_columns() -> None:
    lines = render_help().splitlines()
    assert max(map(len, lines)) <= 74
    assert "/ask AGENT TEXT   ask an agent" in lines
    assert "/trace [ID]       show the state of your last question, or of a message" in lines


@pytest.mark.parametrize(
    ("line", "agent", "text"),
    [
        ("@lead how are you?", LEAD, "how are you?"),
        ("@Lead: how are you?", LEAD, "how are you?"),
        ("@gcp-monitor, two\nlines", GCP, "two\nlines"),
        ("@gateway help", GATEWAY, "help"),
        ("@lead @home is broken", LEAD, "@home is broken"),
    ],
)
def test_the_agent_gets_the_text_without_the_mention(line: str, agent: Agent, text: str) -> None:
    assert route_line(line, HERE, NO_RULES, TEAM) == Forward((agent,), text, sticky=True)


def test_a_mention_of_nobody_is_said_so() -> None:
    assert route_line("@ghost boo", HERE, RULES, TEAM) == ErrorReply(
        "There is no agent named ghost here. Known agents: lead, gcp-monitor, oci-monitor, gateway.", os.EX_NOUSER
    )


@pytest.mark.parametrize(
    ("line", "near"), [("@gcp-monitr hi", "gcp-monitor"), ("/ask laed hi", "lead"), ("@bos hi", "boss")]
)
def test_a_mistyped_agent_gets_a_suggestion(line: str, near: str) -> None:
    found = route_line(line, HERE, RULES, TEAM)
    assert isinstance(found, ErrorReply)
    assert f" here. Did you mean @{near}? Known agents: lead," in found.text


def test_everybody_on_discord_is_no_agent() -> None:
    assert route_line("@everyone", HERE, RULES, TEAM) == Forward((LEAD,), "@everyone")
    found = route_line("@here look", HERE, NO_RULES, TEAM)
    assert found == PersonCommand("help", "I can greet, and I know these:")


def test_if_the_first_that_is_named_is_nobody_no_other_is_asked_in_silence() -> None:
    found = route_line("@ghost @lead boo", HERE, RULES, TEAM)
    assert isinstance(found, ErrorReply)
    assert found.text.startswith("There is no agent named ghost here.")


def test_user_comm_answers_itself_and_no_rule_leads_back_to_it() -> None:
    ourselves = Agent("user_comm", "daemon", "online", NOW, {}, 0)
    rules = RoutingRules(
        UserCommSection(default_agent="user_comm", aliases={"us": "user_comm"}),
        (MessageRouteSection(agents=("user_comm",), keywords=("load",), channels=(7,)),),
    )
    for line in ("hello", "@user_comm hello", "@user_comm, @user_comm: hello", "/ask user_comm hello"):
        assert route_line(line, Origin(("user_comm",), frozenset({7})), rules, [ourselves, LEAD]) == Reply(
            "Hi there! 👋"
        )
    assert route_line("the load", HERE, rules, [ourselves, LEAD]) == PersonCommand(
        "help", "I can greet, and I know these:"
    )
    assert isinstance(route_line("@us hello", HERE, rules, [ourselves, LEAD]), ErrorReply)


def test_a_message_full_of_names_is_read_quickly() -> None:
    assert route_line("@lead " * 40_000 + "hello", HERE, RULES, TEAM) == Forward((LEAD,), "hello", sticky=True)


def test_a_mention_without_text_is_asked_back() -> None:
    assert route_line("@lead @gcp", HERE, RULES, TEAM) == ErrorReply(
        "What is your message to lead and gcp-monitor? Write: @lead @gcp-monitor your text"
    )


def test_a_command_that_is_none_is_said_so() -> None:
    found = route_line("/halp", HERE, RULES, TEAM)
    assert isinstance(found, ErrorReply)
    assert found.text.startswith("There is no command /halp. The commands are: /help, /status,")


@pytest.mark.parametrize("line", ["Hello", "hello!", " HI ", "hey team", "Hello there 👋", "hi\n"])
def test_without_a_default_agent_it_greets(line: str) -> None:
    assert route_line(line, HERE, NO_RULES, TEAM) == Reply("Hi there! 👋")


@pytest.mark.parametrize(("line", "name"), [("help?", "help"), ("Status", "status"), ("team agents", "agents")])
def test_without_a_default_agent_it_knows_some_words(line: str, name: str) -> None:
    assert route_line(line, HERE, NO_RULES, TEAM) == PersonCommand(name)


@pytest.mark.parametrize("line", ["highlight this", "what is the load?", "mail ann@lead now", "👋", "@"])
def test_it_says_honestly_what_it_does_not_know(line: str) -> None:
    assert route_line(line, HERE, NO_RULES, TEAM) == PersonCommand("help", "I can greet, and I know these:")


def test_it_knows_who_is_in_the_team() -> None:
    assert render_agents([LEAD, GCP, GATEWAY, ANN], NOW) == (
        "lead: busy (reading logs)\ngcp-monitor: silent, last seen 5m 0s ago\ngateway: not configured (No token.)"
    )


def test_it_knows_how_the_team_is() -> None:
    assert render_status(TEAM, [("lead", 2)], ["#4 Go?"], NOW) == (
        "gateway: not configured (No token.)\nunread: lead 2\nasked and not answered: lead 2\nto be decided:\n#4 Go?"
    )
