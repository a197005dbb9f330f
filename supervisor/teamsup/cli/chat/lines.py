"""How what is said in a chat looks: to a person, and to a program."""

import json

from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_REQUEST, USER_COMM
from teamsup.hub import Message
from teamsup.terminal.console import is_progress
from teamsup.terminal.formatting import sanitize

PROMPT = "you> "
_TEAM_LABEL = "team"
_INDENT = len("team> ")
_LABEL_MARKS = {"error": "error", DECISION_REQUEST: "to decide", DECISION_ANSWER: "decided"}


def format_label(message: Message) -> str:
    """Who says it, and what no colour may be needed to see."""
    marks = ["urgent"] if message.priority == "urgent" else []
    if (mark := _LABEL_MARKS.get(message.message_type)) is not None:
        marks.append(mark)
    sender = _TEAM_LABEL if message.sender == USER_COMM else " ".join(message.sender.split())
    return f"{sender} ({', '.join(marks)})> " if marks else f"{sender}> "


def label_style(message: Message) -> str:
    """The class of its label's colour."""
    if message.priority == "urgent":
        return "class:urgent"
    if message.message_type == "status_report":
        return "class:aside"
    return {"error": "class:error", DECISION_REQUEST: "class:decision"}.get(message.message_type, "class:team")


def indent_after(label_text: str, text: str) -> str:
    """The text as it stands beside a label, its lines one under another but for a label that is long."""
    return sanitize(text.strip("\r\n")).replace("\n", "\n" + " " * min(len(label_text), _INDENT))


def side_note(message: Message) -> str:
    """What is not an answer, for whoever waits for one."""
    if is_progress(message):
        return sanitize(message.content)
    return sanitize(f"{'urgent: ' if message.priority == 'urgent' else ''}{message.content}")


def to_json(message: Message, *, failed: bool = False) -> str:
    """One line. Of an answer that says that nothing came of the question, ``error`` is what it says."""
    options = message.metadata.get("options")
    return json.dumps(
        {
            "id": message.message_id,
            "from": message.sender,
            "type": message.message_type,
            "content": message.content,
            "reply_to": message.reply_to,
            "conversation": message.conversation_id,
            "priority": message.priority,
            "options": options if isinstance(options, list) else [],
            **({"error": message.content} if failed else {}),
        },
        ensure_ascii=False,
    )
