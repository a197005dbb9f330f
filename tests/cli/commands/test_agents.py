"""``teamsup agents`` shows who is known, and ``rm`` forgets one of them."""

import json

import pytest

from helpers.support import TeamsupCommand, eventually, refusal_of
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
    assert "offline, last seen just now" in lines[1]
    found = {agent["name"]: agent for agent in json.loads(teamsup.run("agents", "--json").stdout)}
    assert (found["scout"]["unread"], found["scout"]["is_present"]) == (1, False)


@pytest.mark.usefixtures("lead")
def test_one_that_is_gone_is_forgotten_and_what_waits_for_it_stays(teamsup: TeamsupCommand) -> None:
    done = teamsup.run("agents", "rm", "Scout")

    assert done.stdout == "scout is forgotten. 1 unread message waits until an agent of that name comes back.\n"
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
            assert done.returncode == 69
            assert teamsup.run("agents", "rm", name, "--yes").returncode == 0


@pytest.mark.usefixtures("lead")
def test_a_name_that_nobody_has_is_refused(teamsup: TeamsupCommand) -> None:
    done = teamsup.run("agents", "rm", "nobody")

    assert done.returncode == 67
    assert "Known agents: lead, scout, scribe" in refusal_of(done)


def test_a_worker_that_runs_is_not_forgotten(running: TeamsupCommand) -> None:
    eventually(lambda: running.ps()["user_comm"]["pid"], "user_comm")

    assert "Stop it first" in refusal_of(running.run("agents", "rm", "user_comm", "--yes"))
