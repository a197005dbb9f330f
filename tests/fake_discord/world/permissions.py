"""What a member may do in a channel: roles first, then what the channel says about them."""

from enum import IntFlag

from .models import FakeChannel, FakeGuild


class Permission(IntFlag):
    """Discord's permission bits, as far as a bot that talks meets them."""

    ADD_REACTIONS = 1 << 6
    ADMINISTRATOR = 1 << 3
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38


ALL_PERMISSIONS = Permission(sum(Permission))
TIMED_OUT_PERMISSIONS = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
USER_PERMISSIONS = ALL_PERMISSIONS & ~(
    Permission.ADMINISTRATOR | Permission.MANAGE_MESSAGES | Permission.MENTION_EVERYONE | Permission.MANAGE_THREADS
)


def permissions_of(guild: FakeGuild, channel: FakeChannel, user: int) -> Permission:
    """What this member may do in this channel; for a thread, give its parent."""
    member = guild.members[user]
    roles = [guild.roles[guild.id], *(guild.roles[role] for role in sorted(member.roles))]
    may = Permission(0)
    for role in roles:
        may |= Permission(role.permissions)
    if may & Permission.ADMINISTRATOR or guild.owner == user:
        return ALL_PERMISSIONS
    everyone = channel.overwrites.get(guild.id)
    if everyone is not None:
        may = may & ~Permission(everyone.deny) | Permission(everyone.allow)
    mine = [channel.overwrites[role.id] for role in roles[1:] if role.id in channel.overwrites]
    for overwrite in mine:
        may &= ~Permission(overwrite.deny)
    for overwrite in mine:
        may |= Permission(overwrite.allow)
    own = channel.overwrites.get(user)
    if own is not None:
        may = may & ~Permission(own.deny) | Permission(own.allow)
    return may if may & Permission.VIEW_CHANNEL else Permission(0)
