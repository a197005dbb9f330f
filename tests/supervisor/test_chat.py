"""``teamsup chat``, ``send`` and ``read`` as a person uses them."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support import PATIENCE, Command, eventually
from teamsup.hub import MessageHub
from teamsup.hub.console import console_name


class Terminal:
    """A chat in a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def expect(self, text: str) -> str:
        """What came up to and with that text."""
        ends = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self.descriptor], [], [], ends - time.monotonic())
            assert ready, f"{text!r} did not come; the terminal shows {self.seen!r}"
            self.seen += os.read(self.descriptor, 4096).decode(errors="replace")
        before, _, self.seen = self.seen.partition(text)
        return before + text


@contextmanager
def chat(teamsup: Command) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        teamsup.line("chat"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**teamsup.environment, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    with process:
        try:
            yield Terminal(ours), process
        finally:
            process.kill()
            os.close(ours)


def test_a_conversation_in_a_terminal(running: Command) -> None:
    with chat(running) as (terminal, process):
        terminal.expect("you> ")
        terminal.type("Hello\n")
        terminal.expect("team> Hi there! 👋\r\n")
        terminal.expect("you> ")
        terminal.type("agents\n")
        terminal.expect("user_comm: online")
        terminal.expect("you> ")

        terminal.type("\x04")

        assert process.wait(10) == 0


def test_ctrl_c_ends_it_cleanly(running: Command) -> None:
    with chat(running) as (terminal, process):
        terminal.expect("you> ")

        def interrupted() -> bool:
            # Python's readline loses a signal between showing its prompt and waiting for input.
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
            return process.returncode is not None

        eventually(interrupted, "the end")
        assert process.returncode == 0
        assert "Traceback" not in terminal.seen


def test_an_agent_is_asked_and_its_answer_comes_back(running: Command) -> None:
    with MessageHub(running.team, agent="lead") as lead, chat(running) as (terminal, _):
        lead.register()
        terminal.expect("you> ")
        terminal.type("@lead how is the load?\n")
        assert lead.wait(PATIENCE)
        (delivery,) = lead.claim()
        assert delivery.message.content == "how is the load?"
        assert delivery.message.metadata["from"].startswith("console-")

        lead.reply(delivery, "calm")

        terminal.expect("team> lead: calm\r\n")


def test_an_answer_comes_also_while_the_person_types(running: Command) -> None:
    with MessageHub(running.team, agent="lead") as lead, chat(running) as (terminal, _):
        lead.register()
        terminal.expect("you> ")
        terminal.type("half a li")
        terminal.expect("half a li")

        lead.send("user_comm", "disk is full", message_type="notification")

        terminal.expect("team> lead: disk is full")
        terminal.expect("you> half a li")


def test_a_person_is_told_when_the_agent_is_not_there(running: Command) -> None:
    with MessageHub(running.team) as hub:
        hub.enroll("lead")

    with chat(running) as (terminal, _):
        terminal.expect("you> ")
        terminal.type("@lead are you there?\n")
        terminal.expect("team> lead is offline, never here yet; I keep your message.")
        terminal.expect("you> ")


def test_an_answer_that_came_too_late_is_kept(running: Command) -> None:
    with MessageHub(running.team, agent="lead") as lead:
        lead.register()
        assert running.run("chat", "--timeout", "0.2", stdin="@lead hurry\n").returncode == os.EX_UNAVAILABLE
        assert lead.wait(PATIENCE)
        (delivery,) = lead.claim()
        lead.reply(delivery, "sorry, was busy")

    assert running.run("read", "--wait", "20").stdout.endswith(": lead: sorry, was busy\n")


def test_a_chat_that_died_over_an_answer_does_not_keep_the_next_ones_back(running: Command) -> None:
    with running.open("chat", stdin=subprocess.PIPE) as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        dying.stdout.close()
        dying.stdin.write("Hello\n")
        dying.stdin.close()
        assert dying.wait(30) != 0

    later = running.run("chat", stdin="hallo\n")

    assert (later.returncode, later.stdout) == (0, "Hallo! 👋\n")


def test_a_line_without_an_answer_does_not_keep_the_others_back(running: Command) -> None:
    with MessageHub(running.team) as hub:
        hub.enroll("lead")

    result = running.run("chat", "--timeout", "2", stdin="@lead hello?\nHello\n")

    assert (result.returncode, result.stdout) == (os.EX_UNAVAILABLE, "Hi there! 👋\n")
    assert "1 of 2 lines have no answer yet. It will come to: teamsup read --agent console-" in result.stderr


def test_what_another_agent_says_carries_its_name(running: Command) -> None:
    with chat(running) as (terminal, _):
        terminal.expect("you> ")
        running.run("send", "--agent", "deployer", console_name(), "v1.2 is out")

        terminal.expect("deployer> v1.2 is out")


def test_news_are_kept_for_a_person_who_is_not_there(running: Command) -> None:
    with MessageHub(running.team, agent="lead") as lead:
        lead.send("user_comm", "disk is full", message_type="notification")
    running.run("chat", stdin="")

    assert running.run("read", "--wait", "20").stdout.endswith(": lead: disk is full\n")


def test_several_lines_from_a_pipe_are_answered_in_order(running: Command) -> None:
    result = running.run("chat", stdin="Hello\n\nhallo\n@nobody x\n")

    assert result.stdout.splitlines()[:2] == ["Hi there! 👋", "Hallo! 👋"]
    assert result.stdout.splitlines()[2].startswith("There is no agent named nobody here. Known are: gateway")


def test_what_is_written_to_a_team_that_is_down_is_answered_when_it_is_up(teamsup: Command) -> None:
    early = teamsup.run("chat", "--timeout", "0", stdin="Hello\n")
    assert early.returncode == os.EX_UNAVAILABLE
    assert "What you write is kept. Team 'default' is not running. Start it with: teamsup start\n" in early.stderr

    assert teamsup.run("start", "--detach").returncode == 0
    try:
        assert teamsup.run("read", "--wait", "20").stdout.endswith(": Hi there! 👋\n")
    finally:
        teamsup.run("stop")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_old_terminal_still_gets_its_answer(running: Command, encoding: str) -> None:
    result = subprocess.run(
        running.line("chat"),
        input=b"Hello\n",
        capture_output=True,
        env={**running.environment, "PYTHONIOENCODING": encoding},
        timeout=30,
        check=False,
    )

    assert (result.returncode, result.stdout) == (0, b"Hi there! ?\n")


def test_bytes_that_are_no_text_are_no_traceback(running: Command) -> None:
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


def test_control_characters_do_not_reach_the_terminal(teamsup: Command) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
        lead.send("lead", "\x1b[2Jgone\x07\u202e")

    assert teamsup.run("read", "--agent", "lead").stdout == "lead, just now: \ufffd[2Jgone\ufffd\ufffd\n"


def test_send_and_read_as_json(teamsup: Command) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()

    sent = teamsup.run("send", "lead", "build", "done", "--json", "--id", "ci:1", "--priority", "high")
    read = teamsup.run("read", "--agent", "lead", "--json")

    assert sent.stdout == '{"message_id": "ci:1", "recipients": ["lead"]}\n'
    assert '"content": "build done"' in read.stdout
    assert '"priority": "high"' in read.stdout
    assert teamsup.run("read", "--agent", "lead").stderr == "Nothing to read.\n"


def test_send_to_all_is_a_broadcast(teamsup: Command) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()

    assert teamsup.run("send", "all", "stand-up").stdout.endswith("; lead is online.\n")
