"""A caller that stops waiting leaves no leased delivery behind."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.hub import Delivery, MessageHub, StoreBusy

Join = Callable[..., MessageHub]


async def cancel_while_it_claims(reader: MessageHub, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    has_claimed, goes_on = threading.Event(), threading.Event()
    take = reader._mailbox._claim_due

    def hold(limit: int, lease: float) -> list[Delivery]:
        claimed = take(limit, lease)
        has_claimed.set()
        goes_on.wait(TIMEOUT_SECONDS)
        return claimed

    monkeypatch.setattr(reader._mailbox, "_claim_due", hold)
    listening = asyncio.ensure_future(anext(reader.listen_async()))
    assert await asyncio.to_thread(has_claimed.wait, TIMEOUT_SECONDS)
    for _ in range(times):
        listening.cancel()
        await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await listening


@pytest.mark.parametrize("times", [1, 2, 3, 5])
async def test_a_delivery_that_a_cancelled_listener_has_claimed_is_released(
    join: Join, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    lead, scout = join("lead"), join("scout")
    message = lead.send("scout", "hi")

    await cancel_while_it_claims(scout, monkeypatch, times)

    def state() -> str:
        return lead.queries.trace(message.message_id)[0].state

    # A thread gives it back, and perhaps only after the listener has ended.
    await asyncio.to_thread(eventually, lambda: state() == "ready", "it is given back")
    (given_back,) = lead.queries.trace(message.message_id)
    assert (given_back.attempts, given_back.read_at) == (0, None)


async def test_a_listener_that_cannot_give_back_what_it_has_claimed_still_ends_as_cancelled(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, scout = join("lead"), join("scout")
    message = lead.send("scout", "hi")

    def refuse(delivery: Delivery) -> None:
        raise StoreBusy(f"{delivery.message.message_id} cannot be stored.")

    monkeypatch.setattr(scout._mailbox, "release", refuse)
    await cancel_while_it_claims(scout, monkeypatch, 1)

    assert lead.queries.trace(message.message_id)[0].state == "leased"
