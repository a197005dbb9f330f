"""What a member may do in a channel: roles first, then what the channel says about them."""

from enum import IntFlag

from .things import Channel, Guild


class May(IntFlag):
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


EVERYTHING = May(sum(May))
TIMED_OUT = May.VIEW_CHANNEL | May.READ_MESSAGE_HISTORY
PEOPLE = EVERYTHING & ~(May.ADMINISTRATOR | May.MANAGE_MESSAGES | May.MENTION_EVERYONE | May.MANAGE_THREADS)


def allowed(guild: Guild, channel: Channel, user: int) -> May:
    """What this member may do in this channel; for a thread, give its parent."""
    member = guild.members[user]
    roles = [guild.roles[guild.id], *(guild.roles[role] for role in sorted(member.roles))]
    may = May(0)
    for role in roles:
        may |= May(role.permissions)
    if may & May.ADMINISTRATOR or guild.owner == user:
        return EVERYTHING
    everyone = channel.overwrites.get(guild.id)
    if everyone is not None:
        may = may & ~May(everyone.deny) | May(everyone.allow)
    mine = [channel.overwrites[role.id] for role in roles[1:] if role.id in channel.overwrites]
    for overwrite in mine:
        may &= ~May(overwrite.deny)
    for overwrite in mine:
        may |= May(overwrite.allow)
    own = channel.overwrites.get(user)
    if own is not None:
        may = may & ~May(own.deny) | May(own.allow)
    return may if may & May.VIEW_CHANNEL else May(0)
