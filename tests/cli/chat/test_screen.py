"""``teamsup chat`` as a person at a terminal sees it."""

import os
import signal
import stat
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from helpers.mailbox import claim_next
from helpers.pseudo_terminal import PseudoTerminal
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, run_foreign_sql
from teamsup.hub import Message, MessageHub
from teamsup.terminal.console import console_name

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


@contextmanager
def chat(
    teamsup: TeamsupCommand, columns: int = 80, **environment: str
) -> Iterator[tuple[PseudoTerminal, subprocess.Popen[bytes]]]:
    terminal = PseudoTerminal(columns)
    inherited = {key: value for key, value in teamsup.environment.items() if key not in ("NO_COLOR", "XTERM_VERSION")}
    process = subprocess.Popen(
        teamsup.line("chat"),
        stdin=terminal.theirs,
        stdout=terminal.theirs,
        stderr=terminal.theirs,
        env={**inherited, "TERM": "xterm-256color", **environment},
        start_new_session=True,
    )
    os.close(terminal.theirs)
    with process:
        try:
            terminal.expect("you>")
            yield terminal, process
        finally:
            process.kill()
            terminal.close()


def tell(hub: MessageHub, content: str, **options: str) -> Message:
    return hub.send(console_name(), content, message_type="notification", **options)  # type: ignore[arg-type]


def expect_once(terminal: PseudoTerminal, prompt: str) -> None:
    """Wait until this prompt is at the end, and is the only one."""
    terminal.wait_until(
        lambda: terminal.screen.text.endswith(prompt) and terminal.screen.text.count("you>") == 1, f"{prompt!r} once"
    )


def test_a_conversation(running: TeamsupCommand) -> None:
    with chat(running) as (terminal, process):
        terminal.type("Hello\r")
        terminal.expect("you> Hello\nteam> Hi there! 👋\nyou>")
        terminal.type("agents\r")
        terminal.expect("\n      user_comm: online")

        terminal.type("\x04")

        assert process.wait(TIMEOUT_SECONDS) == 0


def test_a_short_hint_at_the_start(teamsup: TeamsupCommand) -> None:
    with chat(teamsup) as (terminal, _):
        lines = terminal.screen.text.splitlines()

    assert "@agent asks one agent, /help lists commands; Alt-Enter: new line, Ctrl-D: end." in lines


def test_an_agent_is_asked_and_its_answer_comes_back(running: TeamsupCommand) -> None:
    with MessageHub(running.team, agent="lead") as lead, chat(running) as (terminal, _):
        lead.register()
        terminal.type("@lead how is the load?\r")
        delivery = claim_next(lead)
        assert delivery.message.content == "how is the load?"
        assert delivery.message.metadata["author_name"].startswith("console-")

        lead.reply(delivery, "calm")

        terminal.expect("team> lead: calm\nyou>")


@pytest.mark.slow
def test_typed_lines_are_offered_again_by_this_chat_and_the_next(teamsup: TeamsupCommand) -> None:
    for seen in ("you> what is new?\nyou> what is new?", "you> what is new?"):
        with chat(teamsup) as (terminal, process):
            if seen.count("you>") == 2:
                terminal.type("what is new?\r")
                terminal.expect("you> what is new?\nyou>")

            terminal.type("\x1b[A")

            terminal.expect(seen)
            terminal.type("\x03\x04")
            assert process.wait(TIMEOUT_SECONDS) == 0


def test_typed_lines_are_kept_for_their_owner_alone_and_bounded(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    path = teamsup.team.logs / "chat.history"
    path.write_text("\n# 1\n+old\n" * 100_000)
    path.chmod(0o644)

    with chat(teamsup) as (terminal, _):
        terminal.type("Hello\r")
        claim_next(user_comm)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size < 512 * 1024
    assert path.read_text().endswith("\n+Hello\n")
    assert path.read_text().startswith("\n# 1\n+old\n")


@pytest.mark.parametrize("typed", ["one\x1b\rtwo\r", "one\\\rtwo\r"], ids=["Alt-Enter", "a backslash at the end"])
def test_a_message_of_several_lines(teamsup: TeamsupCommand, user_comm: MessageHub, typed: str) -> None:
    with chat(teamsup) as (terminal, _):
        terminal.type(typed)

        assert claim_next(user_comm).message.content == "one\ntwo"
        terminal.expect("you> one\n     two\nyou>")


def test_pasted_lines_are_one_message(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    text = "line one\nline two\n  line three\nline four\nline five"
    with chat(teamsup) as (terminal, _):
        terminal.paste(text)
        terminal.expect("     line five")
        terminal.type("\r")

        assert claim_next(user_comm).message.content == text


def test_colours_on_a_terminal(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with chat(teamsup) as (terminal, _):
        tell(user_comm, "disk is full", priority="urgent")
        terminal.expect("disk is full")

        assert terminal.screen.style_of("team (urgent)>") == "31;1"
        assert terminal.screen.style_of("disk is full") == ""


def test_no_colours_with_no_color(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with chat(teamsup, NO_COLOR="1") as (terminal, _):
        tell(user_comm, "disk is full", priority="urgent")
        terminal.type("Hello\r")
        user_comm.answer(claim_next(user_comm).message, "wait", message_type="status_report")
        terminal.expect("(wait)")

        assert terminal.screen.styles == {""}


def test_ctrl_c_clears_what_is_typed_and_ends_on_an_empty_line(teamsup: TeamsupCommand) -> None:
    with chat(teamsup) as (terminal, process):
        terminal.type("half a line")
        terminal.expect("you> half a line")

        terminal.type("\x03")
        terminal.expect_gone("half a line")
        assert process.poll() is None
        terminal.type("\x03")

        assert process.wait(TIMEOUT_SECONDS) == 0
        assert "Traceback" not in terminal.drain()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(teamsup: TeamsupCommand, number: signal.Signals) -> None:
    with chat(teamsup) as (terminal, process):
        assert not termios.tcgetattr(terminal.ours)[3] & termios.ECHO

        process.send_signal(number)

        assert process.wait(TIMEOUT_SECONDS) == (0 if number == signal.SIGINT else 128 + number)
        assert termios.tcgetattr(terminal.ours)[3] & termios.ECHO
        assert "Traceback" not in terminal.drain()
        assert "?2004" not in terminal.screen.modes


def test_a_terminal_that_is_gone_ends_it(teamsup: TeamsupCommand) -> None:
    with chat(teamsup) as (terminal, process):
        os.dup2(os.open(os.devnull, os.O_RDWR), terminal.ours)

        process.wait(TIMEOUT_SECONDS)


def test_a_message_that_arrives_while_a_person_types_does_not_disturb_the_input(
    teamsup: TeamsupCommand, user_comm: MessageHub
) -> None:
    with chat(teamsup) as (terminal, _):
        for number, word in enumerate(LONG.split()):
            terminal.type(f"{word} ")
            tell(user_comm, f"news {number}")

        news = "\n".join(f"team> news {number}" for number in range(16))
        shown = f"{news}\nyou> {LONG[:75]}\n     {LONG[75:]}"
        terminal.wait_until(lambda: terminal.screen.text.partition("end.\n")[2] == shown, shown)
        terminal.type("\r")
        assert claim_next(user_comm).message.content == LONG


def test_a_narrower_terminal_shows_what_is_typed_once(teamsup: TeamsupCommand) -> None:
    with chat(teamsup) as (terminal, process):
        terminal.type(LONG)
        terminal.wait_until(lambda: terminal.screen.text.endswith("sixteen"), "what was typed")

        terminal.resize(40)
        process.send_signal(signal.SIGWINCH)

        expect_once(terminal, f"you> {LONG[:35]}\n     {LONG[35:70].rstrip()}\n     {LONG[70:]}")


def test_a_key_that_comes_before_the_signal_of_a_narrower_terminal_leaves_nothing_behind(
    teamsup: TeamsupCommand,
) -> None:
    with chat(teamsup) as (terminal, process):
        terminal.type(LONG)
        terminal.wait_until(lambda: terminal.screen.text.endswith("sixteen"), "what was typed")

        terminal.resize(40)
        terminal.type("!")

        folded = f"you> {LONG[:35]}\n     {LONG[35:70].rstrip()}\n     {LONG[70:]}!"
        expect_once(terminal, folded)
        process.send_signal(signal.SIGWINCH)
        terminal.type("!")
        expect_once(terminal, f"{folded}!")


def test_progress_is_dim_and_replaced_until_the_answer_is_there(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with chat(teamsup) as (terminal, _):
        terminal.type("load?\r")
        question = claim_next(user_comm)
        terminal.type("half a line")

        user_comm.answer(question.message, "lead is offline since 14:02.", message_type="status_report")
        terminal.expect("you> load?\n(lead is offline since 14:02.)\nyou> half a line")
        assert terminal.screen.style_of("(lead is offline") == "2"
        user_comm.answer(question.message, "lead has read it.", message_type="status_report")
        terminal.expect("you> load?\n(lead has read it.)\nyou> half a line")
        user_comm.reply(question, "lead: 3 %")

        terminal.expect("you> load?\nteam> lead: 3 %\nyou> half a line")


def test_stop_takes_the_progress_away(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with chat(teamsup) as (terminal, process):
        terminal.type("load?\r")
        user_comm.reply(claim_next(user_comm), "lead is offline.", message_type="status_report")
        terminal.expect("(lead is offline.)")

        terminal.type("/stop\r")
        user_comm.reply(claim_next(user_comm), "Withdrawn.")

        terminal.expect("you> load?\nyou> /stop\nteam> Withdrawn.\nyou>")
        terminal.type("\x04")
        assert process.wait(TIMEOUT_SECONDS) == 0
        assert "open" not in terminal.drain()


def test_open_questions_at_the_end_are_reported(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with chat(teamsup) as (terminal, process):
        terminal.type("load?\r")
        claim_next(user_comm)

        terminal.type("\x04")

        assert process.wait(TIMEOUT_SECONDS) == 0
        assert terminal.drain().endswith("(1 question is still open; later messages are kept for you)")


def test_a_decision_is_shown_with_its_text_and_answered_by_a_number(
    teamsup: TeamsupCommand, user_comm: MessageHub
) -> None:
    with chat(teamsup) as (terminal, _):
        user_comm.send(
            console_name(),
            "lead: When?\n1. now\n2. never",
            message_type="opinion_request",
            metadata={"decision": 1, "options": ["now", "never"]},
        )
        terminal.expect("team (to decide)> lead: When?\n      1. now\n      2. never\nyou>")

        terminal.type("2\r")

        assert claim_next(user_comm).message.content == "2"
        user_comm.send(console_name(), "ann decided: never", message_type="opinion_response", metadata={"decision": 1})
        terminal.expect("team (decided)> ann decided: never")


def test_a_text_of_another_agent_carries_its_name(teamsup: TeamsupCommand) -> None:
    with chat(teamsup) as (terminal, _):
        teamsup.run("send", "--agent", "deployer", console_name(), "v1.2 is out")

        terminal.expect("deployer> v1.2 is out")


def test_control_characters_of_others_do_nothing(teamsup: TeamsupCommand, user_comm: MessageHub) -> None:
    with chat(teamsup) as (terminal, _):
        tell(user_comm, "\x1b[2Jgone\x07\u202e")

        terminal.expect("team> \ufffd[2Jgone\ufffd\ufffd")


@pytest.mark.parametrize(
    ("typed", "offered", "completed"),
    [
        ("@gc", "gcp-monitor  offline, never here yet", "you> @gcp-monitor"),
        ("@o", "oci          oci-monitor", "you> @oci"),
        ("/sto", "/stop  withdraw your questions in this conversation", "you> /stop"),
        ("/ask g", "gcp-monitor  offline", "you> /ask gcp-monitor"),
    ],
)
def test_names_are_completed(
    teamsup: TeamsupCommand, user_comm: MessageHub, typed: str, offered: str, completed: str
) -> None:
    teamsup.team.configuration.write_text('[user_comm]\naliases = { oci = "oci-monitor" }\n')
    user_comm.enroll("gcp-monitor")
    user_comm.enroll("oci-monitor")
    with chat(teamsup) as (terminal, _):
        terminal.type(typed)
        terminal.expect(offered)

        terminal.type("\t")

        terminal.expect(completed)


@pytest.mark.slow
def test_a_line_that_cannot_be_sent_is_reported(teamsup: TeamsupCommand) -> None:
    with chat(teamsup) as (terminal, _):
        terminal.paste("x" * 300_000)
        terminal.type("\r")

        terminal.expect("(not sent: ")


@pytest.mark.slow
def test_a_message_shown_while_nothing_could_be_stored_ends_as_soon_as_possible(teamsup: TeamsupCommand) -> None:
    teamsup.team.create()
    with MessageHub(teamsup.team, agent="lead") as lead, chat(teamsup) as (terminal, _):
        run_foreign_sql(
            teamsup.team,
            "CREATE TRIGGER broken BEFORE UPDATE ON deliveries WHEN NEW.state = 'done'"
            " BEGIN SELECT RAISE(ABORT, 'the disk is ill'); END",
        )
        first = tell(lead, "first")
        terminal.expect("the disk is ill")
        run_foreign_sql(teamsup.team, "DROP TRIGGER broken")
        eventually(lambda: lead.queries.trace(first.message_id)[0].state == "done", "it is ended")
        tell(lead, "second")
        assert terminal.expect("second").count("first") == 1


@pytest.mark.slow
def test_no_name_of_a_sender_begins_a_line_that_another_seems_to_say(teamsup: TeamsupCommand) -> None:
    teamsup.team.create()
    with chat(teamsup) as (terminal, _):
        run_foreign_sql(
            teamsup.team,
            "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('x', ?, ?, 'all is well')",
            "somebody\nteam",
            console_name(),
        )
        terminal.expect("somebody team> all is well")
