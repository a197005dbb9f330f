"""Dead letters as entries: deliveries that failed too often, with the actions to retry or drop them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from teamsup.config.entries import (
    ActionRejected,
    Age,
    Entry,
    EntryAction,
    EntryRow,
    EntryState,
    Need,
    TimelineEvent,
    has_words,
)
from teamsup.hub import MessageHub
from teamsup.hub.models import DeadLetter
from teamsup.terminal.console import person_name
from teamsup.terminal.formatting import to_single_line

KIND, ADDRESS = "dead-letter", "/dead-letters"
RETRY, DROP = "retry", "drop"
_STATE = EntryState("letter", "given up")
_MAX_NEEDS = 3
"""If there are more dead letters than this, they share one line, because they would hide urgent tasks."""
_TITLE_CHARACTERS = 90
_MAX_LETTERS = 1000
_ACTIONS = (
    EntryAction(RETRY, "Retry"),
    EntryAction(DROP, "Drop…", asks_first="Nobody gets this message any more. It stays in its conversation."),
)


class DeadLetterSource:
    """Deliveries that failed too often. An id consists of the message's number and the recipient: ``4790-ben``."""

    kind = KIND
    title = "Dead letters"
    address = ADDRESS
    columns = ("From", "Attempts", "Error")
    filters: Mapping[str, tuple[str, ...]] = {"words": (), "to": ()}

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:  # noqa: ARG002 - they have no deadline
        if not self.count_open(hub):
            return ()
        letters = hub.queries.dead_letters(limit=_MAX_LETTERS)
        if len(letters) <= _MAX_NEEDS:
            return [_need(letter) for letter in letters]
        newest = letters[0]
        sentence = (f"The newest is from {newest.message.sender} to {newest.recipient}: {newest.error}",)
        title = f"{len(letters)} messages are given up"
        since = newest.died_at or datetime.now(UTC)
        return [
            Need(KIND, "", "Dead letters", title, sentence, _STATE, since, deadline_note="given up", address=ADDRESS)
        ]

    def count_open(self, hub: MessageHub) -> int:
        return hub.queries.count_dead_letters()

    def rows(
        self, hub: MessageHub, filters: Mapping[str, str], before: str | None, limit: int, now: datetime
    ) -> Sequence[EntryRow]:
        """Return the newest dead letters. The filter ``to`` is a recipient."""
        letters = [each for each in hub.queries.dead_letters(limit=_MAX_LETTERS) if _fits(each, filters)]
        ids = [id_of(each) for each in letters]
        start = ids.index(before) + 1 if before in ids else 0
        return [_row(letter, now) for letter in letters[start : start + limit]]

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:
        letter = self.find(hub, entry_id)
        return None if letter is None else _entry(letter, now)

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:  # noqa: ARG002 - no action needs a text
        """Retry or drop a dead letter. Raise ActionRejected if it is not a dead letter any more."""
        letter = self.find(hub, entry_id)
        if letter is None:
            raise ActionRejected("This is not a dead letter any more: it was retried or dropped.")
        if version and version != version_of(letter):
            raise ActionRejected("It was retried in the meantime, and failed again. Look at it before you decide.")
        name, recipient = f"message {letter.message.id}", letter.recipient
        if action == RETRY and hub.maintenance.retry(letter.message.message_id, recipient):
            return f"{recipient} gets {name} again."
        by = person_name(person)
        if action == DROP and hub.maintenance.drop_dead(
            letter.message.message_id, recipient, outcome=f"dropped by {by}"
        ):
            return f"{recipient} does not get {name}."
        raise ActionRejected("This is not a dead letter any more: it was retried or dropped.")

    def find(self, hub: MessageHub, entry_id: str) -> DeadLetter | None:
        """Return the dead letter with this id."""
        letters = hub.queries.dead_letters(limit=_MAX_LETTERS)
        return next((each for each in letters if id_of(each) == entry_id), None)


def id_of(letter: DeadLetter) -> str:
    return f"{letter.message.id}-{letter.recipient}"


def version_of(letter: DeadLetter) -> str:
    """Return a version that changes with each try."""
    return "" if letter.died_at is None else letter.died_at.isoformat()


def _fits(letter: DeadLetter, filters: Mapping[str, str]) -> bool:
    texts = (letter.message.sender, letter.recipient, letter.error, letter.message.content)
    return filters.get("to", letter.recipient) == letter.recipient and has_words(filters.get("words", ""), *texts)


def _title(letter: DeadLetter) -> str:
    text = to_single_line(letter.message.content, _TITLE_CHARACTERS)
    return f"{letter.message.sender} to {letter.recipient}: “{text}”"


def _need(letter: DeadLetter) -> Need:
    return Need(
        kind=KIND,
        id=id_of(letter),
        label="Dead letter",
        title=_title(letter),
        evidence=(f"Given up after {_attempts(letter)}. {_error_of(letter)}",),
        state=_STATE,
        since=letter.died_at or datetime.now(UTC),
        deadline_note="given up",
        actions=_ACTIONS,
        version=version_of(letter),
    )


def _row(letter: DeadLetter, now: datetime) -> EntryRow:
    at = letter.died_at or now
    cells = (letter.message.sender, str(letter.attempts), letter.error or "it does not say why")
    return EntryRow(id_of(letter), _title(letter), _STATE, (Age(at),), at, cells)


def _entry(letter: DeadLetter, now: datetime) -> Entry:
    message, at = letter.message, letter.died_at or now
    return Entry(
        kind=KIND,
        id=id_of(letter),
        label=f"Dead letter {message.id}",
        title=_title(letter),
        state=_STATE,
        evidence=(Age(at), f" after {_attempts(letter)}"),
        since=at,
        facts=(
            ("From", message.sender),
            ("To", letter.recipient),
            ("Type", message.message_type),
            ("Error", letter.error or "it does not say why"),
        ),
        texts=(("Message", message.content),),
        timeline=(
            TimelineEvent(message.created_at, (f"{message.sender} sent it",), EntryState("notified", "sent")),
            TimelineEvent(
                letter.died_at,
                (f"Given up after {_attempts(letter)}: {letter.error}",),
                EntryState("failed", "given up"),
            ),
        ),
        actions=_ACTIONS,
        version=version_of(letter),
        conversation=message.conversation_id,
    )


def _error_of(letter: DeadLetter) -> str:
    error = letter.error.strip().rstrip(".")
    return f"{error[:1].upper()}{error[1:]}." if error else "It does not say why."


def _attempts(letter: DeadLetter) -> str:
    return "1 attempt" if letter.attempts == 1 else f"{letter.attempts} attempts"
