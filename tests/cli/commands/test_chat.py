"""``teamsup chat``, ``send`` and ``read`` as scripts use them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from helpers.mailbox import claim_next
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of, round_ages
from teamsup.hub import MessageHub
from teamsup.terminal.console import MORE_ANSWERS, console_name


@contextmanager
def asking(teamsup: TeamsupCommand, *words: str, stdin: str = "") -> Iterator[subprocess.Popen[str]]:
    """A chat of a script that goes on while the test answers."""
    with subprocess.Popen(
        teamsup.line("chat", *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=teamsup.environment,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        try:
            yield process
        finally:
            process.kill()


def test_once_prints_the_answer_and_nothing_else(running: TeamsupCommand) -> None:
    result = running.run("chat", "--once", "Hello")

    assert (result.returncode, result.stdout, result.stderr) == (0, "Hi there! 👋\n", "")


def test_once_asks_what_it_reads_from_stdin(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with asking(teamsup, "--once", "-", stdin="one\ntwo\n") as script:
        question = claim_next(user_comm)
        assert question.message.content == "one\ntwo"
        user_comm.reply(question, "both")

        assert script.communicate(timeout=TIMEOUT_SECONDS)[0] == "both\n"


def test_once_without_an_answer_in_time_says_so_by_its_exit_code(teamsup: TeamsupCommand) -> None:
    result = teamsup.run("chat", "--once", "Hello", "--timeout", "0.1")

    assert (result.returncode, result.stdout) == (os.EX_UNAVAILABLE, "")
    assert (
        "There is no answer yet. user_comm is offline, never here yet. It will arrive in: teamsup read" in result.stderr
    )


def test_once_with_an_error_for_an_answer_says_so_by_its_exit_code(
    teamsup: TeamsupCommand, user_comm: MessageHub
) -> None:
    with asking(teamsup, "--once", "Deploy") as script:
        user_comm.reply(claim_next(user_comm), "lead: no rights", message_type="error")

        assert script.communicate(timeout=TIMEOUT_SECONDS)[0] == ""
        assert script.returncode == os.EX_SOFTWARE


REFUSED = (
    ("@nobody hi", os.EX_NOUSER, "There is no agent named nobody here. Known agents: "),
    ("please deploy it", os.EX_NOUSER, "I can greet, and I know these:"),
    ("@monitor-bridge", os.EX_DATAERR, "What is your message to monitor-bridge? Write: @monitor-bridge your text"),
    ("/halp", os.EX_DATAERR, "There is no command /halp."),
    ("/history many", os.EX_DATAERR, "How many? Write a number from 1 to 50: /history 20"),
    ("/trace #99", os.EX_NOUSER, "There is no message #99 in this conversation."),
    ("/ack 99", os.EX_SOFTWARE, "There is no incident 99"),
)


@pytest.mark.slow
def test_a_refusal_is_not_an_answer_in_any_way_of_asking(running: TeamsupCommand) -> None:
    for line, code, sentence in REFUSED:
        once = running.run("chat", "--once", line)
        assert (once.returncode, once.stdout) == (code, ""), line
        assert once.stderr.startswith(f"teamsup: {sentence}")
    piped = running.run("chat", stdin="Hello\n@nobody hi\n")
    report = running.run("chat", "--once", "@nobody hi", "--json")

    assert (piped.returncode, piped.stdout) == (os.EX_NOUSER, "Hi there! 👋\n")
    assert piped.stderr.startswith("teamsup: There is no agent named nobody")
    assert report.returncode == os.EX_NOUSER
    assert json.loads(report.stdout)["error"].startswith("There is no agent named nobody")


def test_no_answer_is_an_error_for_programs_too_and_says_who_should_answer(teamsup: TeamsupCommand) -> None:
    result = teamsup.run("chat", "--json", "--timeout", "0.1", stdin="Hello\n")

    assert result.returncode == os.EX_UNAVAILABLE
    assert json.loads(result.stdout)["error"].startswith(
        "1 of 1 lines have no answer yet. user_comm is offline, never here yet. It will arrive in: "
    )
    report = json.loads(teamsup.run("chat", "--once", "", "--json").stdout)
    assert set(report) == {"team", "error"}


def test_once_waits_for_all_who_were_asked(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with asking(teamsup, "--once", "@a @b @c load?") as script:
        assert script.stdout is not None
        question = claim_next(user_comm)
        user_comm.reply(question, "a: 3 %", metadata={MORE_ANSWERS: 2})
        assert script.stdout.readline() == "a: 3 %\n"
        user_comm.answer(question.message, "b: no rights", message_type="error", metadata={MORE_ANSWERS: 1})
        user_comm.answer(question.message, "c: 5 %")

        stdout, stderr = script.communicate(timeout=TIMEOUT_SECONDS)
    assert (script.returncode, stdout) == (os.EX_SOFTWARE, "c: 5 %\n")
    assert stderr.endswith("teamsup: b: no rights\n")


@pytest.mark.slow
def test_once_says_when_only_some_have_answered(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with asking(teamsup, "--once", "@a @b load?", "--timeout", "5") as script:
        user_comm.reply(claim_next(user_comm), "a: 3 %", metadata={MORE_ANSWERS: 1})

        stdout, stderr = script.communicate(timeout=TIMEOUT_SECONDS)
    assert (script.returncode, stdout) == (os.EX_UNAVAILABLE, "a: 3 %\n")
    assert "teamsup: Not all have answered yet. It will arrive in: " in stderr


def test_a_line_is_answered_once_all_who_were_asked_have_answered(
    teamsup: TeamsupCommand, user_comm: MessageHub
) -> None:
    with asking(teamsup, stdin="@a @b load?\nHello\n") as script:
        question = claim_next(user_comm)
        user_comm.reply(question, "a: 3 %", metadata={MORE_ANSWERS: 1})
        user_comm.answer(question.message, "b: 5 %")
        user_comm.reply(claim_next(user_comm), "Hi")

        assert script.communicate(timeout=TIMEOUT_SECONDS)[0] == "a: 3 %\nb: 5 %\nHi\n"


def test_progress_is_not_the_answer(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with asking(teamsup, "--once", "load?") as script:
        question = claim_next(user_comm)
        user_comm.answer(question.message, "lead has read it.", message_type="status_report")
        user_comm.reply(question, "lead: 3 %")

        stdout, stderr = script.communicate(timeout=TIMEOUT_SECONDS)
    assert (script.returncode, stdout) == (0, "lead: 3 %\n")
    assert stderr.endswith("lead has read it.\n")


def test_a_question_back_from_an_agent_is_not_the_answer(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with asking(teamsup, "--once", "Deploy") as script:
        question = claim_next(user_comm)
        user_comm.answer(question.message, "lead asks (#7): Now?", message_type="opinion_request")
        user_comm.reply(question, "lead: done")

        stdout, stderr = script.communicate(timeout=TIMEOUT_SECONDS)
    assert (script.returncode, stdout) == (0, "lead: done\n")
    assert stderr.endswith("lead asks (#7): Now?\n")


def test_once_leaves_what_else_waits_for_the_person(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    user_comm.enroll(console_name(), "console")
    news = user_comm.send(console_name(), "disk is full", message_type="notification", priority="urgent")

    with asking(teamsup, "--once", "load?") as script:
        question = claim_next(user_comm)
        eventually(lambda: user_comm.queries.trace(news.message_id)[0].state == "leased", "it is held back")
        assert user_comm.queries.trace(news.message_id)[0].read_at is None
        user_comm.reply(question, "3 %")
        assert script.communicate(timeout=TIMEOUT_SECONDS)[0] == "3 %\n"

    assert teamsup.run("read").stdout.endswith(": disk is full\n")


def test_json_is_an_object_a_line_for_each_message(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with asking(teamsup, "--json", stdin="Deploy?\n") as script:
        question = claim_next(user_comm)
        shown = user_comm.send(
            question.message.sender,
            "lead: when?\n1. now\n2. never",
            message_type="opinion_request",
            priority="urgent",
            metadata={"options": ["now", "never"]},
        )
        user_comm.reply(question, "Asked 🚀")

        stdout = script.communicate(timeout=TIMEOUT_SECONDS)[0]
    decision, answer = map(json.loads, stdout.splitlines())
    assert {
        name: decision[name] for name in ("team", "message_id", "sender", "message_type", "content", "options")
    } == {
        "team": "default",
        "message_id": shown.message_id,
        "sender": "user_comm",
        "message_type": "opinion_request",
        "content": "lead: when?\n1. now\n2. never",
        "options": ["now", "never"],
    }
    assert (decision["reply_to"], decision["conversation_id"], decision["priority"]) == (None, None, "urgent")
    assert (answer["content"], answer["reply_to"]) == ("Asked 🚀", question.message.message_id)
    assert answer["conversation_id"] == question.message.conversation_id


def test_each_chat_is_a_conversation_of_its_own(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    conversations = []
    for _ in range(2):
        with asking(teamsup, stdin="one\ntwo\n") as script:
            for _ in range(2):
                question = claim_next(user_comm)
                conversations.append(question.message.conversation_id or "")
                user_comm.reply(question, "ok")
            script.communicate(timeout=TIMEOUT_SECONDS)

    assert conversations[0] == conversations[1] != conversations[2] == conversations[3]
    assert all(each.startswith(f"{console_name()}:") for each in conversations)


def test_no_colours_go_into_a_pipe(running: TeamsupCommand) -> None:
    result = running.run("chat", stdin="Hello\nagents\n")

    assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize("words", [["--help"], ["chat", "--timeout", "0"]])
def test_only_a_terminal_needs_the_line_editor(teamsup: TeamsupCommand, words: list[str]) -> None:
    program = "import atexit, sys; from teamsup.cli.main import main\n"
    program += "atexit.register(lambda: print('heavy' if 'prompt_toolkit' in sys.modules else 'light'))\nmain()"

    result = subprocess.run(
        [sys.executable, "-c", program, *words],
        input="Hello\n",
        capture_output=True,
        text=True,
        env=teamsup.environment,
        timeout=60,
        check=False,
    )

    assert result.stdout.endswith("light\n")


@pytest.mark.slow
def test_an_answer_that_came_too_late_is_kept(running: TeamsupCommand) -> None:
    with MessageHub(running.team, agent="lead") as lead:
        lead.register()
        assert running.run("chat", "--timeout", "0.2", stdin="@lead hurry\n").returncode == os.EX_UNAVAILABLE
        assert lead.wait(TIMEOUT_SECONDS)
        (delivery,) = lead.claim()
        lead.reply(delivery, "sorry, was busy")

    assert running.run("read", "--wait", "20").stdout.endswith(": lead: sorry, was busy\n")


@pytest.mark.slow
def test_a_chat_that_died_over_an_answer_does_not_keep_the_next_ones_back(running: TeamsupCommand) -> None:
    with running.open("chat", stdin=subprocess.PIPE) as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        dying.stdout.close()
        dying.stdin.write("Hello\n")
        dying.stdin.close()
        assert dying.wait(TIMEOUT_SECONDS) != 0

    later = running.run("chat", stdin="hallo\n")

    assert (later.returncode, later.stdout) == (0, "Hallo! 👋\n")


@pytest.mark.slow
def test_a_line_without_an_answer_does_not_keep_the_others_back(running: TeamsupCommand) -> None:
    with MessageHub(running.team) as hub:
        hub.enroll("lead")

    result = running.run("chat", "--timeout", "2", stdin="@lead hello?\n/new\nHello\n")

    assert result.returncode == os.EX_UNAVAILABLE
    assert result.stdout.endswith("Hi there! 👋\n")
    assert "1 of 3 lines have no answer yet. It will arrive in: teamsup read --agent console-" in result.stderr


@pytest.mark.slow
def test_announcements_are_kept_for_a_person_who_is_not_there(running: TeamsupCommand) -> None:
    with MessageHub(running.team, agent="lead") as lead:
        lead.send("user_comm", "disk is full", message_type="notification")
    running.run("chat", stdin="")

    assert running.run("read", "--wait", "20").stdout.endswith(": lead: disk is full\n")


@pytest.mark.slow
def test_several_lines_from_a_pipe_are_answered_in_order(running: TeamsupCommand) -> None:
    result = running.run("chat", stdin="Hello\n\nhallo\n@nobody x\n")

    assert result.stdout.splitlines() == ["Hi there! 👋", "Hallo! 👋"]
    assert result.stderr.startswith("teamsup: There is no agent named nobody here. Known agents: ")


@pytest.mark.slow
def test_a_message_to_a_team_that_is_down_is_answered_when_it_is_up(teamsup: TeamsupCommand) -> None:
    early = teamsup.run("chat", "--timeout", "0", stdin="Hello\n")
    assert early.returncode == os.EX_UNAVAILABLE
    assert "Your messages are kept. Team 'default' is not running. Start it with: teamsup start\n" in early.stderr

    assert teamsup.run("start", "--detach").returncode == 0
    try:
        assert teamsup.run("read", "--wait", "20").stdout.endswith(": Hi there! 👋\n")
    finally:
        teamsup.run("stop")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_old_terminal_still_gets_its_answer(running: TeamsupCommand, encoding: str) -> None:
    result = subprocess.run(
        running.line("chat"),
        input=b"Hello\n",
        capture_output=True,
        env={**running.environment, "PYTHONIOENCODING": encoding},
        timeout=30,
        check=False,
    )

    assert (result.returncode, result.stdout) == (0, b"Hi there! ?\n")


@pytest.mark.slow
def test_bytes_that_are_not_text_cause_no_traceback(running: TeamsupCommand) -> None:
    result = subprocess.run(
        running.line("chat"),
        input=b"\xff\xfeHello\n",
        capture_output=True,
        env=running.environment,
        timeout=30,
        check=False,
    )

    assert b"Traceback" not in result.stderr
    assert result.returncode == 0


def test_control_characters_do_not_reach_the_terminal(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
        lead.send("lead", "\x1b[2Jgone\x07\u202e")

    assert round_ages(teamsup.run("read", "--agent", "lead").stdout) == "lead, just now: \ufffd[2Jgone\ufffd\ufffd\n"


def test_send_and_read_as_json(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()

    sent = teamsup.run("send", "lead", "build", "done", "--json", "--id", "ci:1", "--priority", "high")
    read = teamsup.run("read", "--agent", "lead", "--json")

    assert json.loads(sent.stdout) == {"team": "default", "message_id": "ci:1", "recipients": ["lead"]}
    (told,) = map(json.loads, read.stdout.splitlines())
    assert (told["team"], told["content"], told["priority"]) == ("default", "build done", "high")
    assert teamsup.run("read", "--agent", "lead").stderr == "Nothing to read.\n"


def test_send_to_all_where_nobody_is_says_so(teamsup: TeamsupCommand) -> None:
    MessageHub(teamsup.team).close()

    result = teamsup.run("send", "all", "stand-up")

    assert result.returncode == os.EX_NOUSER
    assert refusal_of(result) == "teamsup: A message to all reaches no agent, because none takes part now."


def test_send_to_all_is_a_broadcast(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()

        assert teamsup.run("send", "all", "stand-up").stdout.endswith("; lead is online.\n")
