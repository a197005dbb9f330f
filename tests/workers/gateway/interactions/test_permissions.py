"""The permissions of the bot in a channel, by the rules of Discord's documentation."""

import discord
import pytest

from teamsup.workers.gateway.component import GatewaySection
from teamsup.workers.gateway.connection.client import needed_intents
from teamsup.workers.gateway.interactions.permissions import (
    MissingPermissions,
    find_missing,
    find_role,
    missing_intents,
    needed_permissions,
)

GUILD, BOT, OWN, OTHER = "1", "9", "5", "6"
VIEW, SEND = discord.Permissions(view_channel=True).value, discord.Permissions(send_messages=True).value
ADMINISTRATOR = discord.Permissions(administrator=True).value
NEEDED = {"view_channel": "View Channels", "send_messages": "Send Messages"}
MEMBER = {"roles": [OWN, OTHER], "user": {"id": BOT}}


def guild(everyone: int = 0, own: int = 0, other: int = 0) -> dict[str, object]:
    return {
        "id": GUILD,
        "roles": [
            {"id": GUILD, "name": "@everyone", "position": 0, "permissions": str(everyone)},
            {"id": OWN, "name": "teamsup", "position": 1, "permissions": str(own), "tags": {"bot_id": BOT}},
            {"id": OTHER, "name": "bots", "position": 2, "permissions": str(other)},
            {"id": "7", "name": "owners", "position": 3, "permissions": str(ADMINISTRATOR)},
        ],
    }


def overwrite(whom: str, allow: int = 0, deny: int = 0) -> dict[str, str]:
    return {"id": whom, "allow": str(allow), "deny": str(deny)}


ALL = VIEW | SEND


@pytest.mark.parametrize(
    ("roles", "overwrites", "missing"),
    [
        (guild(ALL), [], MissingPermissions()),
        (guild(VIEW, SEND), [], MissingPermissions()),
        (guild(VIEW), [], MissingPermissions(in_server=("Send Messages",))),
        (guild(), [], MissingPermissions(in_server=("View Channels", "Send Messages"))),
        (guild(own=ADMINISTRATOR), [overwrite(BOT, deny=ALL)], MissingPermissions()),
        (guild(ALL), [overwrite(GUILD, deny=SEND)], MissingPermissions(in_channel=("Send Messages",))),
        (guild(ALL), [overwrite(GUILD, deny=SEND), overwrite(OWN, allow=SEND)], MissingPermissions()),
        (guild(ALL), [overwrite(OWN, allow=SEND), overwrite(OTHER, deny=SEND)], MissingPermissions()),
        (guild(ALL), [overwrite("7", deny=ALL)], MissingPermissions()),
        (guild(ALL), [overwrite(BOT, deny=VIEW)], MissingPermissions((), ("View Channels",), True)),
        (guild(VIEW), [overwrite(BOT, allow=SEND)], MissingPermissions()),
        (
            guild(ALL),
            [overwrite(OWN, deny=ALL), overwrite(BOT, allow=VIEW)],
            MissingPermissions((), ("Send Messages",)),
        ),
    ],
)
def test_roles_apply_first_and_then_what_the_channel_says(
    roles: dict[str, object], overwrites: list[dict[str, str]], missing: MissingPermissions
) -> None:
    assert find_missing(NEEDED, roles, MEMBER, overwrites) == missing


def test_the_role_to_change_is_the_one_that_discord_made_for_the_bot() -> None:
    assert find_role(guild(), MEMBER) == "teamsup"
    assert find_role(guild(), {**MEMBER, "roles": [OTHER]}) == "bots"
    assert find_role(guild(), {**MEMBER, "roles": []}) == "@everyone"


def test_each_needed_permission_is_one_of_discord() -> None:
    names = needed_permissions(GatewaySection(threads=True))
    assert names.keys() <= set(discord.Permissions.VALID_FLAGS)
    assert "send_messages" not in needed_permissions(GatewaySection(), in_thread=True)
    assert "create_public_threads" in names
    assert "create_public_threads" not in needed_permissions(GatewaySection())
    assert "embed_links" not in needed_permissions(GatewaySection(link_previews=False))


@pytest.mark.parametrize("flag", ["gateway_message_content", "gateway_message_content_limited"])
def test_an_intent_of_a_small_bot_has_another_flag_than_that_of_a_large_one(flag: str) -> None:
    granted = discord.ApplicationFlags(**{flag: True})
    assert missing_intents(needed_intents(), granted) == []
    assert missing_intents(discord.Intents.all(), granted) == ["Server Members Intent", "Presence Intent"]


def test_every_privileged_intent_can_be_named() -> None:
    assert missing_intents(discord.Intents.all(), discord.ApplicationFlags()) == [
        "Message Content Intent",
        "Server Members Intent",
        "Presence Intent",
    ]
