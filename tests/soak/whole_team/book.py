"""What one kind of traffic has sent, and what has arrived at its receiving ends."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arrival:
    """One thing that was seen at a receiving end."""

    nonce: str
    """The word that the sender put into it."""
    carrier: str
    """The id of the message that carried it. The same id twice is one message that was read twice."""


@dataclass(frozen=True)
class BalanceRow:
    """One kind of traffic on the balance sheet. The last four name the offenders."""

    kind: str
    sent: int
    delivered: int
    answered: int
    again: int
    """Messages that were read again, because their reader was killed before it acknowledged them."""
    unknown: int
    """Their outcome is unknown, and the team or the sender's error says so."""
    doubled: Sequence[str] = ()
    lost: Sequence[str] = ()
    out_of_order: Sequence[str] = ()
    open: Sequence[str] = ()
    """Not complete when the run was interrupted, so neither lost nor well."""

    @property
    def is_even(self) -> bool:
        return not (self.doubled or self.lost or self.out_of_order)


@dataclass
class Book:
    """Keeps the nonces of one kind of traffic, by identity."""

    kind: str
    sent: dict[str, str] = field(default_factory=dict)
    """The stream of each nonce, in the order of sending; empty: its order is not promised."""
    uncertain: set[str] = field(default_factory=set)
    """Sent without a confirmation: they may arrive once or not at all."""
    excused: set[str] = field(default_factory=set)
    """The team says that their outcome is unknown."""
    deliveries: list[Arrival] = field(default_factory=list)
    answers: list[Arrival] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    """Answered according to the store. Their reader was killed before it wrote that down, so their order is unknown."""
    first_seen: dict[str, float] = field(default_factory=dict)
    """When each was complete, by ``time.monotonic()``."""

    def begin(self, nonce: str, stream: str = "") -> None:
        """Note that it is about to be sent."""
        self.sent[nonce] = stream
        self.uncertain.add(nonce)

    def confirm(self, nonce: str) -> None:
        """Note that the team has said it is stored."""
        self.uncertain.discard(nonce)

    def deliver(self, nonce: str, carrier: str) -> None:
        self.deliveries.append(Arrival(nonce, carrier))

    def answer(self, nonce: str, carrier: str) -> None:
        self.answers.append(Arrival(nonce, carrier))
        self.first_seen.setdefault(nonce, time.monotonic())

    def unfinished(self) -> list[str]:
        """Return what was confirmed, is not excused, and has not arrived at both ends."""
        complete = {each.nonce for each in self.deliveries} & ({each.nonce for each in self.answers} | self.settled)
        return [nonce for nonce in self.sent if nonce not in complete | self.uncertain | self.excused]

    def close(self, *, is_interrupted: bool = False) -> BalanceRow:
        """Return the row of the balance sheet. What has not arrived is lost, unless the run was interrupted."""
        missing = self.unfinished()
        arrivals = (self.deliveries, self.answers)
        doubled = {nonce for each in arrivals for nonce in find_doubled(each)}
        late = {nonce for each in arrivals for nonce in find_out_of_order(self.sent, [one.nonce for one in each])}
        return BalanceRow(
            self.kind,
            sent=len(self.sent),
            delivered=len({each.nonce for each in self.deliveries}),
            answered=len({each.nonce for each in self.answers} | self.settled),
            again=sum(len(each) - len(set(each)) for each in arrivals),
            unknown=len(self.uncertain | self.excused),
            doubled=sorted(doubled),
            lost=() if is_interrupted else missing,
            out_of_order=sorted(late),
            open=missing if is_interrupted else (),
        )


def find_doubled(arrivals: Iterable[Arrival]) -> list[str]:
    """Return the nonces that two different messages carried."""
    carriers: dict[str, set[str]] = {}
    for each in arrivals:
        carriers.setdefault(each.nonce, set()).add(each.carrier)
    return [nonce for nonce, found in carriers.items() if len(found) > 1]


def find_out_of_order(sent: Mapping[str, str], arrived: Iterable[str]) -> list[str]:
    """Return the nonces whose first arrival came after that of a later one of the same stream."""
    places = {nonce: place for place, nonce in enumerate(sent)}
    newest: dict[str, int] = {}
    late = []
    for nonce in dict.fromkeys(arrived):
        stream = sent.get(nonce, "")
        if not stream:
            continue
        if places[nonce] < newest.get(stream, -1):
            late.append(nonce)
        newest[stream] = max(newest.get(stream, -1), places[nonce])
    return late
