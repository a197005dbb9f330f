"""Where to look for what was missed, as a table. What is found there is tested with the gateway's process."""

from collections.abc import Sequence

import pytest

from teamsup.workers.gateway.component import GatewaySection
from teamsup.workers.gateway.ids import snowflake_at
from teamsup.workers.gateway.inbound.catch_up import OpenChannel, channels_to_check, channels_to_recheck
from teamsup.workers.gateway.tables.channel_table import ChannelCursor

NOW = 1_800_000_000.0
HOUR = 3600.0
GUILD, BEGINNING = 1, snowflake_at(NOW - 1000 * HOUR)
CHANNEL = snowflake_at(NOW - 2000 * HOUR)
EVERYBODY_HERE = GatewaySection(guilds=(GUILD,))


def ago(hours: float) -> int:
    return snowflake_at(NOW - hours * HOUR)


def look(
    here: Sequence[OpenChannel],
    *known: ChannelCursor,
    section: GatewaySection = EVERYBODY_HERE,
    paired: Sequence[int] = (),
) -> list[tuple[int, bool]]:
    return list(channels_to_check(here, section, paired, {place.channel: place for place in known}, BEGINNING, NOW))


@pytest.mark.parametrize(
    ("last_message", "known", "has_news"),
    [
        (None, [], False),
        (ago(1), [], True),
        (ago(1001), [], False),
        (ago(1), [ChannelCursor(CHANNEL, ago(2), None)], True),
        (ago(1), [ChannelCursor(CHANNEL, ago(1), None)], False),
    ],
)
def test_an_open_channel_has_messages_if_its_last_one_was_not_seen(
    last_message: int | None, known: list[ChannelCursor], has_news: bool
) -> None:
    assert look([OpenChannel(CHANNEL, GUILD, None, last_message)], *known) == [(CHANNEL, has_news)]


def test_a_channel_that_is_younger_than_the_gateway_has_messages_from_its_beginning() -> None:
    thread = ago(5)

    assert look([OpenChannel(thread, GUILD, CHANNEL, ago(4))]) == [(thread, True)]


def test_nobody_looks_where_nobody_could_be_admitted() -> None:
    here = [OpenChannel(CHANNEL, GUILD, None, ago(1))]

    assert look(here, section=GatewaySection()) == []
    assert look(here, section=GatewaySection(), paired=[7]) == [(CHANNEL, True)]


def test_direct_messages_and_closed_threads_are_looked_into_though_no_login_lists_them() -> None:
    direct, closed, long_closed = (
        ChannelCursor(11, ago(900), 7),
        ChannelCursor(12, ago(100), None),
        ChannelCursor(13, ago(300), None),
    )

    assert look([], direct, closed, long_closed) == [(11, True), (12, True)]


def test_edits_are_looked_for_where_something_was_seen_within_the_hours_that_are_caught_up() -> None:
    known = {number: ChannelCursor(number, ago(hours), None) for number, hours in ((1, 1), (2, 23), (3, 25))}

    assert channels_to_recheck(GatewaySection(catch_up_hours=24), known, NOW) == [1, 2]
