"""Who may write to the team from Discord: only users who are listed in some way."""

import pytest

from teamsup.workers.gateway.access.policy import could_allow, is_allowed
from teamsup.workers.gateway.component import GatewaySection
from teamsup.workers.gateway.message import Author

SOMEBODY = Author(user=1, channel=2, guild=3, roles=frozenset({4}))


@pytest.mark.parametrize(
    ("section", "author", "is_admitted"),
    [
        (GatewaySection(), SOMEBODY, False),
        (GatewaySection(users=(1,)), SOMEBODY, True),
        (GatewaySection(users=(2,)), SOMEBODY, False),
        (GatewaySection(roles=(4,)), SOMEBODY, True),
        (GatewaySection(roles=(1,)), SOMEBODY, False),
        (GatewaySection(channels=(2,)), SOMEBODY, True),
        (GatewaySection(guilds=(3,)), SOMEBODY, True),
        (GatewaySection(channels=(2,)), Author(user=1, channel=9, guild=3, parent=2), True),
        (GatewaySection(guilds=(3,)), Author(user=1, channel=2), False),
        (GatewaySection(users=(1,)), Author(user=1, channel=2), True),
        (GatewaySection(users=(1,), guilds=(3,)), Author(user=1, channel=2, guild=3, is_bot=True), False),
        (GatewaySection(bots=(1,)), Author(user=1, channel=2, guild=3, is_bot=True), True),
        (GatewaySection(bots=(1,)), SOMEBODY, False),
    ],
)
def test_a_listed_user_is_admitted(section: GatewaySection, author: Author, is_admitted: bool) -> None:
    assert is_allowed(section, (), author) is is_admitted


def test_a_paired_user_is_admitted_and_a_bot_cannot_pair() -> None:
    assert is_allowed(GatewaySection(), {1}, SOMEBODY)
    assert not is_allowed(GatewaySection(), {1}, Author(user=1, channel=2, is_bot=True))


@pytest.mark.parametrize(
    ("section", "is_worth_a_look"),
    [
        (GatewaySection(), False),
        (GatewaySection(users=(9,)), True),
        (GatewaySection(roles=(9,)), True),
        (GatewaySection(bots=(9,)), True),
        (GatewaySection(channels=(2,)), True),
        (GatewaySection(channels=(9,)), False),
        (GatewaySection(guilds=(3,)), True),
    ],
)
def test_channels_are_looked_into_where_somebody_could_be_admitted(
    section: GatewaySection, is_worth_a_look: bool
) -> None:
    assert could_allow(section, (), Author(user=0, channel=2, guild=3)) is is_worth_a_look
