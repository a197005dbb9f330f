"""The permissions and intents that the gateway needs at Discord, and those that it has. Pure.

https://docs.discord.com/developers/topics/permissions has the rules of roles and overwrites.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import discord

from ..component import GatewaySection

Json = Mapping[str, Any]

# From discord.py's names to the names on Discord's pages.
_ALWAYS = {
    "view_channel": "View Channels",
    "read_message_history": "Read Message History",
    "add_reactions": "Add Reactions",
    "attach_files": "Attach Files",
    "send_messages_in_threads": "Send Messages in Threads",
}
_OUTSIDE_THREADS = {"send_messages": "Send Messages"}
_FOR_PREVIEWS = {"embed_links": "Embed Links"}
_FOR_NEW_THREADS = {"create_public_threads": "Create Public Threads"}
_PRIVILEGED_INTENTS = {
    "message_content": ("Message Content Intent", ("gateway_message_content", "gateway_message_content_limited")),
    "members": ("Server Members Intent", ("gateway_guild_members", "gateway_guild_members_limited")),
    "presences": ("Presence Intent", ("gateway_presence", "gateway_presence_limited")),
}
"""Intents that a person must switch on, with their names in the portal and the flags of an application."""


def missing_intents(needed: discord.Intents, granted: discord.ApplicationFlags) -> list[str]:
    """Return the needed intents that are switched off in the portal."""
    return [
        words
        for name, (words, flags) in _PRIVILEGED_INTENTS.items()
        if getattr(needed, name) and not any(getattr(granted, flag) for flag in flags)
    ]


def needed_permissions(section: GatewaySection, *, in_thread: bool = False) -> dict[str, str]:
    """Return the permissions that the gateway needs in a channel: from discord.py's names to the names on Discord's
    pages.
    """
    return {
        **_ALWAYS,
        **({} if in_thread else _OUTSIDE_THREADS),
        **(_FOR_PREVIEWS if section.link_previews else {}),
        **(_FOR_NEW_THREADS if section.threads and not in_thread else {}),
    }


@dataclass(frozen=True, slots=True)
class MissingPermissions:
    """The missing permissions, with their names on Discord's pages, by the page where a person can grant them."""

    in_server: tuple[str, ...] = ()
    """No role of the bot has them."""
    in_channel: tuple[str, ...] = ()
    """A role of the bot has them, but the channel takes them away."""
    is_bot_itself_denied: bool = False
    """The channel takes one of them from the bot itself, so that no role helps."""

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.in_channel, *self.in_server)


def find_missing(
    needed: Mapping[str, str], guild: Json, member: Json, overwrites: Iterable[Json] = ()
) -> MissingPermissions:
    """Return the permissions that the bot lacks on a server, or in a channel with these overwrites.

    ``guild`` has the server's id and roles; ``member`` is the bot on that server.
    """
    roles = [*member["roles"], guild["id"]]  # everyone's role has the number of the server
    base = discord.Permissions(0)
    for role in guild["roles"]:
        if role["id"] in roles:
            base |= discord.Permissions(int(role["permissions"]))
    if base.administrator:
        return MissingPermissions()
    allowed, own_denied = base.value, 0
    by_id = {each["id"]: each for each in overwrites}
    for group in ([guild["id"]], member["roles"], [member["user"]["id"]]):
        found = [by_id[each] for each in group if each in by_id]
        for each in found:
            allowed &= ~int(each["deny"])
        for each in found:
            allowed |= int(each["allow"])
        own_denied = sum(int(each["deny"]) for each in found)
    may, denied = discord.Permissions(allowed), discord.Permissions(own_denied)
    missing = [name for name in needed if not getattr(may, name)]
    return MissingPermissions(
        tuple(needed[name] for name in missing if not getattr(base, name)),
        tuple(needed[name] for name in missing if getattr(base, name)),
        any(getattr(denied, name) for name in missing),
    )


def find_role(guild: Json, member: Json) -> str:
    """Return the name of the role that Discord made for the bot, or else of its highest role."""
    own = [role for role in guild["roles"] if role["id"] in member["roles"]]
    managed = [role for role in own if (role.get("tags") or {}).get("bot_id") == member["user"]["id"]]
    found = max(managed or own, key=lambda role: int(role["position"]), default=None)
    return "@everyone" if found is None else str(found["name"])
