"""Who on Discord may write to the team, and who may decide. Pure."""

from collections.abc import Collection

from teamsup.config.sections import GatewaySection

from ..message import Author


def is_allowed(section: GatewaySection, paired: Collection[int], author: Author) -> bool:
    """Deny by default: somebody is heard who is listed, has a listed role, has paired, or writes in a listed place."""
    if author.is_bot:
        return author.user in section.bots
    return (
        author.user in section.users
        or author.user in paired
        or bool(author.roles.intersection(section.roles))
        or author.channel in section.channels
        or author.parent in section.channels
        or author.guild in section.guilds
    )


def could_allow(section: GatewaySection, paired: Collection[int], place: Author) -> bool:
    """Whether anybody could be heard there, so that what was missed there is worth a look."""
    anywhere = section.users or section.bots or paired or (section.roles and place.guild is not None)
    return bool(anywhere) or is_allowed(section, paired, place)
