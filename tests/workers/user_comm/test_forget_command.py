"""``teamsup forget``."""

import json
import os

from helpers.support import TeamsupCommand, refusal_of
from teamsup.hub import MessageHub


def test_the_messages_of_a_person_are_removed_once_that_is_confirmed(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="gateway") as gateway:
        gateway.enroll("user_comm", "daemon")
        question = gateway.send("user_comm", "my number is 5550199", metadata={"author_name": "Ann", "user": 30})
        gateway.send("user_comm", "mine is 7", metadata={"author_name": "Bob", "user": 31})
    with MessageHub(teamsup.team, agent="user_comm") as user_comm:
        user_comm.answer(question, "noted")

    counted = teamsup.run("forget", "discord:30", "--dry-run")
    assert counted.stdout == "Would remove 2 messages of discord:30 and the answers to them.\n"
    asked = teamsup.run("forget", "discord:30")
    assert asked.returncode == os.EX_USAGE
    assert refusal_of(asked) == (
        "teamsup: 2 messages of discord:30 and the answers to them will be removed for good. Add --yes to do it."
    )
    assert teamsup.run("forget", "discord:30", "--yes").stdout == "2 messages are gone.\n"

    gone = json.loads(teamsup.run("forget", "30", "--yes", "--json").stdout)
    told = "The team knew nothing about 30."
    assert gone == {"team": "default", "dry_run": False, "person": "30", "messages": 0, "text": told}
    with MessageHub(teamsup.team) as hub:
        assert [message.content for message in hub.queries.history()] == ["mine is 7"]
