"""The chat of a person at a terminal: input, arriving messages, and the progress of questions."""

import asyncio
import contextlib
import os
import signal
import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from teamsup.hub import Delivery, Message, SchemaTooNew, StaleLease, StoreError, TeamsupError
from teamsup.hub.models import new_message_id
from teamsup.status.host_status import is_running
from teamsup.status.team_lock import describe_not_running
from teamsup.terminal.console import ConsoleChat, answered_message_id, is_progress
from teamsup.terminal.formatting import sanitize

from .completion import NameCompleter, is_completing_name, open_history
from .lines import PROMPT, PendingQuestions, format_label, indent_after, label_style
from .renderer import ReflowingRenderer

_HINT = "@agent asks one agent, /help lists commands; Alt-Enter: new line, Ctrl-D: end."
_STOP = "/stop"
_HEARTBEAT_SECONDS = 10.0
_SILENCE_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_COLOURS = {
    "you": "ansigreen bold",
    "team": "ansicyan bold",
    "decision": "ansiyellow bold",
    "urgent": "ansired bold",
    "error": "ansired",
    "aside": "dim",
}


def run_chat(chat: ConsoleChat) -> int:
    """Run the chat until the person ends it; return the exit code."""
    return asyncio.run(_ChatScreen(chat).run())


class _ChatScreen:
    """One prompt that stays at the bottom. Arriving messages are printed above it."""

    def __init__(self, chat: ConsoleChat) -> None:
        self._chat = chat
        self._hub = chat.hub
        self._questions = PendingQuestions()
        self._typed: asyncio.Queue[str] = asyncio.Queue()
        self._style = Style.from_dict({} if os.environ.get("NO_COLOR") else _COLOURS)
        self._trouble = ""
        self._session = self._create_session()

    async def run(self) -> int:
        """Run the chat. Raise the error of a background task that failed."""
        self._print([("class:aside", _HINT)])
        typing = asyncio.create_task(self._session.app.run_async())
        signals = _cancel_on_signals(typing)
        works = [asyncio.create_task(work()) for work in (self._receive_loop, self._send_loop, self._heartbeat_loop)]
        await asyncio.wait([typing, *works], return_when=asyncio.FIRST_COMPLETED)
        typing.cancel()
        with contextlib.suppress(EOFError, asyncio.CancelledError):
            await typing
        if not any(work.done() for work in works):
            await self._typed.join()
        for work in works:
            work.cancel()
        for failure in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure
        if count := self._questions.count:
            what = "1 question is" if count == 1 else f"{count} questions are"
            self._print([("class:aside", f"({what} still open; later messages are kept for you)")])
        return 128 + signals[0] if signals else 0

    def _create_session(self) -> PromptSession[None]:
        output = Vt100_Output.from_pty(
            sys.stdout, term=os.environ.get("TERM"), default_color_depth=ColorDepth.from_env()
        )
        # Some terminals never report the position of their cursor. Then the prompt would wait, and print a warning.
        output.enable_cpr = False
        session: PromptSession[None] = PromptSession(
            self._render_prompt,
            output=output,
            style=self._style,
            multiline=True,
            history=open_history(self._hub.team),
            completer=NameCompleter(self._hub),
            complete_while_typing=Condition(lambda: is_completing_name(session.default_buffer.document)),
            enable_suspend=True,
            erase_when_done=True,
            key_bindings=self._key_bindings(),
        )
        session.app.renderer = ReflowingRenderer(session.app.renderer.style, output)
        return session

    def _render_prompt(self) -> StyleAndTextTuples:
        width = self._session.app.output.get_size().columns
        progress = "".join(f"{line}\n" for line in self._questions.render(width))
        return [("class:aside", progress), ("class:you", PROMPT)]

    def _key_bindings(self) -> KeyBindings:
        keys = KeyBindings()
        is_typing = has_focus("DEFAULT_BUFFER")

        @keys.add("enter", filter=is_typing)
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if buffer.document.is_cursor_at_the_end and buffer.text.endswith("\\"):
                buffer.delete_before_cursor()
                buffer.insert_text("\n")
            else:
                text = buffer.text
                buffer.reset(append_to_history=True)
                self._submit(text)

        @keys.add("escape", "enter", filter=is_typing)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("c-c", filter=is_typing)
        @keys.add("<sigint>")
        def _(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            else:
                event.app.exit(exception=EOFError)

        return keys

    def _submit(self, typed: str) -> None:
        """Send the line, which stays visible above."""
        # A line with bytes that are not text must not end the chat.
        text = typed.encode(errors="surrogateescape").decode(errors="replace").strip()
        if text:
            self._print([("class:you", PROMPT), ("", indent_after(PROMPT, text))])
            self._typed.put_nowait(text)

    async def _send_loop(self) -> None:
        while True:
            text, question = await self._typed.get(), new_message_id()
            # Add it before the send: the answer may arrive before the send returns.
            self._questions.add(question, text)
            if text.split()[0].lower() == _STOP:
                self._questions.clear()
            try:
                await asyncio.to_thread(self._chat.send, text, question)
                asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._note_silence, question)
            except TeamsupError as error:
                self._questions.remove(question)
                self._print_note(f"not sent: {error}")
            finally:
                self._typed.task_done()

    async def _receive_loop(self) -> None:
        while True:
            try:
                async for delivery in self._hub.listen_async():
                    self._show_message(delivery.message)
                    await self._acknowledge(delivery)
                    self._trouble = ""
            except TeamsupError as error:
                await self._report_and_wait(error)

    async def _acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge a shown message, so that it does not return and does not delay later messages."""
        with contextlib.suppress(StaleLease):
            while True:
                try:
                    return await asyncio.to_thread(self._hub.acknowledge, delivery)
                except StoreError as error:
                    await self._report_and_wait(error)

    async def _report_and_wait(self, error: TeamsupError) -> None:
        """Report an error once, and wait a moment before the next try. Raise SchemaTooNew, which is final."""
        if isinstance(error, SchemaTooNew):
            raise error
        if self._trouble != (trouble := str(error)):
            self._trouble = trouble
            self._print_note(trouble)
        await asyncio.sleep(_RETRY_SECONDS)

    async def _heartbeat_loop(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            with contextlib.suppress(TeamsupError):
                await asyncio.to_thread(self._hub.heartbeat)

    def _show_message(self, message: Message) -> None:
        if is_progress(message) and message.priority != "urgent":
            self._questions.update(message)
            self._session.app.invalidate()
            return
        self._questions.remove(answered_message_id(message))
        name = format_label(message)
        rest = "class:aside" if message.message_type == "status_report" else ""
        self._print([(label_style(message), sanitize(name)), (rest, indent_after(name, message.content))])

    def _note_silence(self, question: str) -> None:
        """Print that neither an answer nor progress has arrived."""
        down = not is_running(self._hub.team)
        note = (
            f"no answer yet: {describe_not_running(self._hub.team)}" if down else "no answer yet; it will appear here"
        )
        self._questions.note_silence(question, note)
        self._session.app.invalidate()

    def _print_note(self, text: str) -> None:
        self._print([("class:aside", f"({sanitize(text)})")])

    def _print(self, text: StyleAndTextTuples) -> None:
        """Print a line above the prompt. Unlike run_in_terminal, stay in raw mode, so that typed keys are not echoed
        into the line.
        """
        app = self._session.app
        if app.is_running:
            app.renderer.erase()
        print_formatted_text(app.output, [*text, ("", "\n")], self._style, color_depth=app.color_depth)
        app.invalidate()


def _cancel_on_signals(typing: asyncio.Task[None]) -> list[int]:
    """Cancel the chat on a signal, so that the terminal is restored; yield the received signals."""
    came: list[int] = []

    def end(number: int) -> None:
        came.append(number)
        typing.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    return came
