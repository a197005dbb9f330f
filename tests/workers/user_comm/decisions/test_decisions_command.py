"""``teamsup decisions``."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of, round_ages
from teamsup.hub import MessageHub

Join = Callable[..., MessageHub]


@pytest.fixture
def command(tmp_path: Path) -> TeamsupCommand:
    return TeamsupCommand(tmp_path, "crew")


def ask(agent: MessageHub, **metadata: object) -> str:
    """An agent asks; the number of what is to be decided."""
    agent.enroll("user_comm", "daemon")
    asked = {"options": ["restart", "wait"]} | metadata
    number = agent.send("user_comm", "Restart it?", message_type="opinion_request", metadata=asked).id
    eventually(lambda: agent.query("SELECT 1 FROM decisions WHERE question = ?", (number,)), "it is taken up")
    return str(number)


@pytest.mark.slow
@pytest.mark.usefixtures("user_comm")
def test_an_open_decision_is_listed_and_decided(command: TeamsupCommand, join: Join) -> None:
    lead = join("lead")
    assert command.run("decisions", "--team", "crew").stdout == "No decision is open.\n"
    assert command.run("decisions", "--all", "--team", "crew").stdout == "No decision was ever requested.\n"
    number = ask(lead)

    listed = command.run("decisions", "--team", "crew")
    assert round_ages(listed.stdout).startswith(
        f"#{number} lead, just now: Restart it? | 1 restart / 2 wait\nDecide with: "
    )
    (found,) = json.loads(command.run("decisions", "--json", "--team", "crew").stdout)["decisions"]
    assert (found["decision"], found["state"], found["options"]) == (int(number), "open", ["restart", "wait"])

    decided = command.run("decisions", "answer", number, "wait", "--team", "crew")
    assert (decided.returncode, decided.stderr) == (0, "")
    assert decided.stdout.endswith(f" has decided #{number}: wait\n")
    assert lead.wait(TIMEOUT_SECONDS)
    assert lead.claim()[0].message.content == "wait"

    assert command.run("decisions", "--team", "crew").stdout == "No decision is open.\n"
    assert f"has decided #{number}: wait" in command.run("decisions", "--all", "--team", "crew").stdout


@pytest.mark.usefixtures("user_comm")
def test_the_shell_of_a_claude_code_session_decides_nothing(
    command: TeamsupCommand, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = join("lead")
    number = ask(lead)
    environment = {**command.environment, "CLAUDECODE": "1"}
    monkeypatch.setattr(TeamsupCommand, "environment", environment)
    refused = command.run("decisions", "answer", number, "restart", "--team", "crew")
    assert (refused.returncode, refusal_of(refused)) == (
        os.EX_NOPERM,
        f"teamsup: #{number} is your own question. Another person must decide it.",
    )
    monkeypatch.setattr(TeamsupCommand, "environment", {**environment, "TEAMSUP_AGENT": "Scout"})
    refused = command.run("decisions", "answer", number, "restart", "--team", "crew")
    assert (refused.returncode, refusal_of(refused)) == (os.EX_NOPERM, f"teamsup: You may not decide #{number}.")
    assert not lead.queries.peek()


@pytest.mark.usefixtures("user_comm")
def test_the_deciders_are_listed(command: TeamsupCommand, join: Join) -> None:
    number = ask(join("lead"), deciders=["bob", "discord:7"])
    listed = round_ages(command.run("decisions", "--team", "crew").stdout).splitlines()[0]
    assert listed == f"#{number} lead, just now: Restart it? | 1 restart / 2 wait | To be decided by bob or discord:7."
    (found,) = json.loads(command.run("decisions", "--json", "--team", "crew").stdout)["decisions"]
    assert found["deciders"] == ["bob", "discord:7"]


@pytest.mark.usefixtures("user_comm")
def test_each_refusal_has_its_sentence_and_exit_code(command: TeamsupCommand, join: Join) -> None:
    lead = join("lead")
    number, for_bob = ask(lead), ask(lead, deciders=["bob"])

    def refused(*answer: str) -> tuple[int, str]:
        result = command.run("decisions", "answer", *answer, "--team", "crew")
        return result.returncode, refusal_of(result).removeprefix("teamsup: ")

    assert refused("99", "1") == (
        os.EX_NOUSER,
        f"There is no such decision. To be decided: #{number}, #{for_bob}.",
    )
    assert refused("x", "1")[0] == os.EX_NOUSER
    assert refused(number, "7")[0] == os.EX_DATAERR
    assert refused(for_bob, "1") == (os.EX_NOPERM, f"You may not decide #{for_bob}; that is for bob.")
    decided = command.run("decisions", "answer", f"#{number}", "1", "--json", "--team", "crew")
    assert json.loads(decided.stdout)["answer"] == "restart"
    assert refused(number, "2")[0] == os.EX_TEMPFAIL


def test_without_user_comm_an_answer_is_not_kept(command: TeamsupCommand, join: Join) -> None:
    lead = join("lead")
    lead.enroll("user_comm", "daemon")
    result = command.run("decisions", "answer", "1", "yes", "--timeout", "0.2", "--team", "crew")
    assert result.returncode == os.EX_UNAVAILABLE
    assert "user_comm has not answered" in refusal_of(result)
    lead.maintenance.apply_all_deadlines([])
    assert lead.queries.trace("#1")[0].state == "expired"


def test_without_a_team_it_says_how_to_start_one(command: TeamsupCommand) -> None:
    result = command.run("decisions", "--team", "nobody")
    assert result.returncode == os.EX_NOINPUT
    assert "There is no team 'nobody'" in refusal_of(result)
