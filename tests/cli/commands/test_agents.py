"""``teamsup agents`` shows who is known. agent-runner starts, pauses and resumes one, and ``rm`` forgets one."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.support import TeamsupCommand, eventually, refusal_of, round_ages
from teamsup.config.startable_agents import AGENT_RUNNER, StartableAgent
from teamsup.hub import MessageHub


@pytest.fixture
def lead(teamsup: TeamsupCommand) -> MessageHub:
    teamsup.configure('[team]\nagents = ["scribe"]\n')
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
        lead.enroll("scout")
        lead.enroll("scribe")
        lead.send("scout", "one")
    return lead


@pytest.mark.usefixtures("lead")
def test_it_shows_everybody(teamsup: TeamsupCommand) -> None:
    lines = teamsup.run("agents").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["NAME", "lead", "scout", "scribe"]
    assert "offline, last seen just now" in round_ages(lines[1])
    found = {agent["name"]: agent for agent in json.loads(teamsup.run("agents", "--json").stdout)["agents"]}
    assert (found["scout"]["unread"], found["scout"]["is_present"]) == (1, False)


@pytest.mark.usefixtures("lead")
def test_one_that_is_gone_is_forgotten_and_what_waits_for_it_stays(teamsup: TeamsupCommand) -> None:
    waits = "1 unread message waits for a new agent of that name."
    assert teamsup.run("agents", "rm", "scout", "--dry-run").stdout == f"Would forget scout. {waits}\n"
    refused = teamsup.run("agents", "rm", "scout")
    asked = f"teamsup: scout will be forgotten. {waits} Add --yes to do it."
    assert (refused.returncode, refusal_of(refused)) == (64, asked)

    done = teamsup.run("agents", "rm", "Scout", "--yes")

    assert done.stdout == "scout is forgotten. 1 unread message waits for a new agent of that name.\n"
    assert "There is no agent 'scout'" in refusal_of(teamsup.run("send", "scout", "two"))
    with MessageHub(teamsup.team, agent="scout") as scout:
        assert [delivery.message.content for delivery in scout.claim()] == ["one"]


@pytest.mark.usefixtures("lead")
def test_one_that_is_here_or_configured_is_forgotten_only_if_that_is_meant(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="here") as here:
        here.register()
        for name, why in (("here", "is present"), ("scribe", "is configured")):
            done = teamsup.run("agents", "rm", name)
            assert why in refusal_of(done)
            assert done.returncode == 75
            assert teamsup.run("agents", "rm", name, "--yes").returncode == 0


@pytest.mark.usefixtures("lead")
def test_a_name_that_nobody_has_is_refused(teamsup: TeamsupCommand) -> None:
    done = teamsup.run("agents", "rm", "nobody")

    assert done.returncode == 67
    assert "Known agents: lead, scout, scribe" in refusal_of(done)


def test_a_worker_that_runs_is_not_forgotten(running: TeamsupCommand) -> None:
    eventually(lambda: running.ps()["user_comm"]["pid"], "user_comm")

    assert "Stop it first" in refusal_of(running.run("agents", "rm", "user_comm", "--yes"))


@pytest.fixture
def runner(teamsup: TeamsupCommand) -> Iterator[MessageHub]:
    with MessageHub(teamsup.team, agent=AGENT_RUNNER) as runner:
        runner.enroll("gcp")
        runner.enroll("oci")
        asleep = StartableAgent(("message", "schedule"), runs_today=3, usd_today=0.456, next_tick=time.time() + 90)
        limited = StartableAgent((), obstacle="its 12 runs of this hour are used up", until=time.time() + 600)
        runner.register("daemon", startable={"gcp": asleep.to_metadata(), "oci": limited.to_metadata()})
        yield runner


def answer_one(runner: MessageHub, text: str, message_type: str = "message") -> str:
    """Answer the next request as agent-runner does, and return it."""
    (delivery,) = itertools.islice(runner.listen(20), 1)
    runner.reply(delivery, text, message_type=message_type)
    return delivery.message.content


@pytest.mark.usefixtures("runner")
def test_it_shows_what_starts_an_agent_and_what_it_cost_today(teamsup: TeamsupCommand) -> None:
    rows = {line.split()[0]: line for line in teamsup.run("agents").stdout.splitlines()}

    assert "STARTED BY" in rows["NAME"]
    assert "message, schedule  3           $0.46       next start " in rows["gcp"]
    assert rows["agent-runner"].split()[3:] == ["-"] * 4
    found = {
        agent["name"]: agent["startable"] for agent in json.loads(teamsup.run("agents", "--json").stdout)["agents"]
    }
    assert found["gcp"]["starts_on"] == ["message", "schedule"]
    assert found["agent-runner"] is None


@pytest.mark.usefixtures("runner")
def test_it_shows_why_an_agent_is_not_started_now(teamsup: TeamsupCommand) -> None:
    (row,) = [line for line in teamsup.run("agents").stdout.splitlines() if line.startswith("oci")]

    assert "a person" in row
    assert ": its 12 runs of this hour are used up" in row
    assert "not started before " in row


@pytest.mark.parametrize(
    ("words", "request_text"),
    [
        (("start", "gcp", "look", "at", "disk 3"), "start gcp look at disk 3"),
        (("pause", "gcp"), "pause gcp"),
        (("resume", "gcp"), "resume gcp"),
    ],
)
def test_agent_runner_does_what_a_person_asks(
    teamsup: TeamsupCommand, runner: MessageHub, words: tuple[str, ...], request_text: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(answer_one, runner, "As you wish.")
        done = teamsup.run("agents", *words)

    assert asked.result() == request_text
    assert (done.returncode, done.stdout) == (0, "As you wish.\n")


def test_the_answer_of_a_started_agent_reaches_the_person_who_started_it(
    teamsup: TeamsupCommand, runner: MessageHub
) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(answer_one, runner, "Run 1 is planned.")
        assert teamsup.run("agents", "start", "gcp").stdout == "Run 1 is planned.\n"
    with MessageHub(teamsup.team, agent="gcp") as gcp:
        gcp.answer(gcp.queries.message("#1"), "The disk is fine.")

    shown = teamsup.run("read").stdout

    assert "The disk is fine." in shown
    assert "Run 1 is planned." not in shown


def test_a_refusal_of_agent_runner_is_an_error(teamsup: TeamsupCommand, runner: MessageHub) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(answer_one, runner, "There is no [agent.x].", "error")
        done = teamsup.run("agents", "start", "x")

    assert asked.result() == "start x"
    assert refusal_of(done) == "teamsup: There is no [agent.x]."
    assert done.returncode == 69


@pytest.mark.usefixtures("lead")
def test_without_agent_runner_nobody_can_be_started(teamsup: TeamsupCommand) -> None:
    done = teamsup.run("agents", "start", "scout")

    assert "agent-runner, which starts agents, was never started" in refusal_of(done)
    assert done.returncode == 69
