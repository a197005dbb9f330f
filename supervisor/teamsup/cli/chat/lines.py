"""The lines of a chat: how a message looks to a person and to a program, and how open questions are shown. Pure."""

import textwrap
from dataclasses import dataclass, field

from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_REQUEST, USER_COMM
from teamsup.hub import Message
from teamsup.terminal.console import is_progress
from teamsup.terminal.formatting import sanitize
from teamsup.terminal.json_output import fields_of

PROMPT = "you> "
_TEAM_LABEL = "team"
_INDENT = len("team> ")
_MAX_SHOWN = 3
_MAX_LINES = 2
_EXCERPT_CHARACTERS = 20
_LABEL_MARKS = {"error": "error", DECISION_REQUEST: "to decide", DECISION_ANSWER: "decided"}


def format_label(message: Message) -> str:
    """Return the label: the sender, and marks that are visible without colours."""
    marks = ["urgent"] if message.priority == "urgent" else []
    if (mark := _LABEL_MARKS.get(message.message_type)) is not None:
        marks.append(mark)
    sender = _TEAM_LABEL if message.sender == USER_COMM else " ".join(message.sender.split())
    return f"{sender} ({', '.join(marks)})> " if marks else f"{sender}> "


def label_style(message: Message) -> str:
    """Return the class of the label's colour."""
    if message.priority == "urgent":
        return "class:urgent"
    if message.message_type == "status_report":
        return "class:aside"
    return {"error": "class:error", DECISION_REQUEST: "class:decision"}.get(message.message_type, "class:team")


def indent_after(label_text: str, text: str) -> str:
    """Return the text beside a label. Align its lines, unless the label is long."""
    return sanitize(text.strip("\r\n")).replace("\n", "\n" + " " * min(len(label_text), _INDENT))


def side_note(message: Message) -> str:
    """Return a note for a caller that waits for an answer, if this message is not an answer."""
    if is_progress(message):
        return sanitize(message.content)
    return sanitize(f"{'urgent: ' if message.priority == 'urgent' else ''}{message.content}")


def as_json(message: Message, *, failed: bool = False) -> dict[str, object]:
    """Return the fields of a message for a program. If an answer reports a failure, ``error`` has the reason."""
    options = message.metadata.get("options")
    about: dict[str, object] = {"options": options if isinstance(options, list) else []}
    return {**fields_of(message), **about, **({"error": message.content} if failed else {})}


@dataclass
class PendingQuestions:
    """Questions without an answer, and their progress, by message_id. They are in the order of their last progress."""

    _texts: dict[str, str] = field(default_factory=dict)
    _progress: dict[str, str] = field(default_factory=dict)
    _noted_question: str | None = None
    """The question whose only progress is the note of this chat."""

    @property
    def count(self) -> int:
        return len(self._texts)

    def add(self, question: str, text: str) -> None:
        self._texts[question] = text
        if self._noted_question is not None:
            self._progress.pop(self._noted_question, None)
            self._noted_question = None

    def update(self, progress: Message) -> None:
        """Replace the progress of its question."""
        question = str(progress.reply_to)
        self._progress.pop(question, None)
        self._progress[question] = progress.content
        if self._noted_question == question:
            self._noted_question = None

    def note_silence(self, question: str, text: str) -> None:
        """Set the progress of the newest question, if it has none."""
        if [*self._texts][-1:] == [question] and not self._progress:
            self._progress[question] = text
            self._noted_question = question

    def remove(self, question: str | None) -> None:
        """Remove a question that is answered, or withdrawn."""
        if question is not None:
            self._texts.pop(question, None)
            self._progress.pop(question, None)

    def clear(self) -> None:
        """Remove all questions."""
        self._texts.clear()
        self._progress.clear()

    def render(self, width: int) -> list[str]:
        """Return the newest progress, for a terminal of this many columns."""
        lines = [f"({len(self._progress) - _MAX_SHOWN} more)"] if len(self._progress) > _MAX_SHOWN else []
        for question, text in [*self._progress.items()][-_MAX_SHOWN:]:
            about = (
                f"{_shorten(self._texts[question])} – " if question in self._texts and len(self._progress) > 1 else ""
            )
            lines += textwrap.wrap(
                f"({about}{' '.join(sanitize(text).split())})",
                max(width - 1, 10),
                subsequent_indent=" ",
                max_lines=_MAX_LINES,
                placeholder=" …)",
            )
        return lines


def _shorten(text: str) -> str:
    """Return the beginning of a question, in one line."""
    line = " ".join(sanitize(text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else line[: _EXCERPT_CHARACTERS - 1].rstrip() + "…"
