"""A caller that stops waiting leaves no leased delivery behind."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import Delivery, MessageHub, StoreBusy

Join = Callable[..., MessageHub]


def cancel_while_it_claims(reader: MessageHub, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    has_claimed, goes_on = threading.Event(), threading.Event()
    take = reader._mailbox._claim_due

    def hold(limit: int, lease: float) -> list[Delivery]:
        claimed = take(limit, lease)
        has_claimed.set()
        goes_on.wait(TIMEOUT_SECONDS)
        return claimed

    async def listen() -> None:
        listening = asyncio.ensure_future(anext(reader.listen_async()))
        assert await asyncio.to_thread(has_claimed.wait, TIMEOUT_SECONDS)
        for _ in range(times):
            listening.cancel()
            await asyncio.sleep(0)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await listening

    monkeypatch.setattr(reader._mailbox, "_claim_due", hold)
    asyncio.run(listen())


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_what_is_claimed_when_the_listener_is_cancelled_is_given_back(
    join: Join, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    lead, scout = join("lead"), join("scout")
    message = lead.send("scout", "hi")

    cancel_while_it_claims(scout, monkeypatch, times)

    (state,) = lead.queries.trace(message.message_id)
    assert (state.state, state.attempts, state.read_at) == ("ready", 0, None)


def test_a_listener_that_cannot_give_back_what_it_has_claimed_still_ends_as_cancelled(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, scout = join("lead"), join("scout")
    message = lead.send("scout", "hi")

    def refuse(delivery: Delivery) -> None:
        raise StoreBusy(f"{delivery.message.message_id} cannot be stored.")

    monkeypatch.setattr(scout._mailbox, "release", refuse)
    cancel_while_it_claims(scout, monkeypatch, 1)

    assert lead.queries.trace(message.message_id)[0].state == "leased"
