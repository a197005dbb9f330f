"""A model can neither storm nor talk to another one without an end; programs, daemons and people are not held up."""

from collections.abc import Callable

import pytest

from helpers.clock import ManualClock
from teamsup.hub import MessageHub, RateLimited, ReplyLoop
from teamsup.hub.tables.rate_limits import EXCHANGE_TIMEOUT_SECONDS, MAX_TURNS, SENDS_PER_MINUTE

Join = Callable[..., MessageHub]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def storm(*hubs: MessageHub, recipient: str = "scout", messages: int = SENDS_PER_MINUTE) -> None:
    for number in range(messages):
        hubs[number % len(hubs)].send(recipient, str(number))


def take_turns(*hubs: MessageHub, turns: int, clock: ManualClock, seconds: float = 5) -> None:
    for turn in range(turns):
        clock.now += seconds
        hubs[turn % 2].send(hubs[1 - turn % 2].agent, "and you?")


def test_a_storm_of_a_model_is_refused_with_when_it_goes_on(join: Join, clock: ManualClock) -> None:
    join("scout")
    lead = join("lead", clock=clock, model=True)
    storm(lead)

    with pytest.raises(RateLimited, match=r"lead has sent 60 messages within a minute\. It can send the next in 1 s\."):
        lead.send("scout", "one more")

    assert RateLimited.exit_code == 75
    clock.now += 1
    lead.send("scout", "one more")


def test_its_rate_is_one_whichever_process_sends(join: Join, clock: ManualClock) -> None:
    join("scout")
    first, second = (join("lead", clock=clock, model=True) for _ in range(2))
    storm(first, second)

    for hub in (first, second):
        with pytest.raises(RateLimited):
            hub.broadcast("one more")


def test_one_message_a_second_is_never_refused(join: Join, clock: ManualClock) -> None:
    join("scout")
    lead = join("lead", clock=clock, model=True)

    for number in range(2 * SENDS_PER_MINUTE):
        lead.send("scout", str(number))
        clock.now += 1


def test_programs_daemons_and_people_are_not_limited(join: Join, clock: ManualClock) -> None:
    join("scout")
    for name, kind, model in (("program", "agent", False), ("bridge", "daemon", True), ("ann", "console", True)):
        hub = join(name, clock=clock, model=model)
        hub.register(kind)  # type: ignore[arg-type]
        with hub.transaction():
            storm(hub, messages=SENDS_PER_MINUTE + 1)


def test_a_clock_that_went_back_holds_nobody_up_for_longer(join: Join, clock: ManualClock) -> None:
    join("scout")
    lead = join("lead", clock=clock, model=True)
    storm(lead)

    clock.now -= 6 * 3600

    lead.send("scout", "one more")


def test_a_ping_pong_without_reply_to_is_stopped(join: Join, clock: ManualClock) -> None:
    lead, scout = (join(name, clock=clock, model=True) for name in ("lead", "scout"))
    take_turns(lead, scout, turns=MAX_TURNS + 1, clock=clock)

    with pytest.raises(ReplyLoop, match="scout and lead have taken 24 turns without a person in between"):
        scout.send("lead", "and you?")

    clock.now += EXCHANGE_TIMEOUT_SECONDS + 1
    scout.send("lead", "and you?")


def test_a_clock_that_went_back_keeps_nobody_quiet_for_longer(join: Join, clock: ManualClock) -> None:
    lead, scout = (join(name, clock=clock, model=True) for name in ("lead", "scout"))
    take_turns(lead, scout, turns=MAX_TURNS + 1, clock=clock)

    clock.now -= EXCHANGE_TIMEOUT_SECONDS - 60

    scout.send("lead", "and you?")


def test_a_person_or_daemon_who_writes_to_one_of_them_lets_them_go_on(join: Join, clock: ManualClock) -> None:
    lead, scout = (join(name, clock=clock, model=True) for name in ("lead", "scout"))
    ann = join("ann", clock=clock)
    ann.register("console")
    take_turns(lead, scout, turns=MAX_TURNS + 1, clock=clock)

    ann.send("lead", "go on, please")

    take_turns(scout, lead, turns=MAX_TURNS, clock=clock)


def test_news_to_one_side_do_not_count_as_an_exchange(join: Join, clock: ManualClock) -> None:
    lead = join("lead", clock=clock, model=True)
    join("scout")

    for number in range(2 * MAX_TURNS):
        clock.now += 1
        lead.send("scout", f"step {number} is done")
