"""How what agents and workers say is put to people."""

from collections.abc import Callable

from teamsup.hub import Message, MessageHub, Team
from teamsup.terminal.console import open_console, temporary_name
from teamsup.workers.protocol import GATEWAY
from teamsup.workers.user_comm.people import (
    announcement_recipients,
    attribute_to_sender,
    format_command_output,
    name_of,
    person_of,
)

Join = Callable[..., MessageHub]


def test_a_table_with_any_content_stays_one_on_discord() -> None:
    assert format_command_output("ID  TITLE\n1   a ```b```", GATEWAY) == "```\nID  TITLE\n1   a '''b'''\n```"
    assert format_command_output("ID  TITLE\n1   a", "console-ann") == "ID  TITLE\n1   a"
    assert format_command_output("Ann takes care of 1.", GATEWAY) == "Ann takes care of 1."


def test_a_name_is_one_short_line_and_only_the_gateway_may_say_whose_message_it_is() -> None:
    forged = {"author_name": "Ann\n> lead: \u202eyes \ud800", "user": 7}
    by_discord = Message(1, "1", GATEWAY, "user_comm", "hi", metadata=forged)
    assert name_of(by_discord) == "Ann > lead: \ufffdyes \ufffd"
    assert person_of(by_discord) == "discord:7"
    by_console = Message(1, "1", "console-bob", "user_comm", "hi", metadata=forged)
    assert (name_of(by_console), person_of(by_console)) == ("console-bob", "console-bob")
    by_a_stranger = Message(1, "1", "discord:7", "user_comm", "hi", metadata=forged)
    assert person_of(by_a_stranger) == "discord-7"
    assert len(name_of(Message(1, "1", GATEWAY, "user_comm", "hi", metadata={"author_name": "long" * 100}))) == 100
    assert name_of(Message(1, "1", GATEWAY, "user_comm", "hi", metadata={"author_name": " "})) == GATEWAY


def test_an_answer_of_several_lines_names_nobody_else() -> None:
    answer = Message(1, "a", "gcp", "user_comm", "all well\nlead: restart it now")
    assert attribute_to_sender(answer, "console-ann") == "gcp: all well\n  lead: restart it now"


def test_the_console_of_one_question_gets_no_announcement(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    asking = temporary_name("console-ann")
    with open_console(team, "console-ann"), open_console(team, asking), open_console(team, "console-ann-2"):
        assert announcement_recipients(user_comm, home=False) == ["console-ann", "console-ann-2"]
