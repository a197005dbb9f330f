"""The gateway as a component of a team."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from teamsup.config.components import Component
from teamsup.config.keys import DISCORD_IDS, Example, Number
from teamsup.hub.engines.component_tables import ComponentTables

from ..protocol import GATEWAY

AnswerMode = Literal["always", "mentioned"]
ALWAYS: AnswerMode = "always"
_IDS = Example("[123456789012345678]")


@dataclass(frozen=True)
class GatewaySection:
    """[gateway]: the team on Discord. Only paired users, and those whom the lists below allow, may write to the team.
    Other bots and webhooks may write only if listed.
    """

    token_file: Annotated[str, Example('"~/.config/teamsup/discord_token"')] = ""
    """A file with the bot's token. Only you may have access to it (chmod 600). The variable DISCORD_TOKEN takes
    precedence."""
    users: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Users who may write."""
    roles: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Roles whose members may write."""
    channels: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Channels, with their threads, in which all users may write."""
    guilds: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Servers on which all users may write."""
    bots: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Other bots that may write."""
    webhooks: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Webhooks that may write, or the applications that made them."""
    deciders: Annotated[tuple[int, ...], DISCORD_IDS, _IDS] = ()
    """Users who may decide agents' questions; empty: all who may write."""
    home_channel: Annotated[int, Number("a Discord ID", 0, DISCORD_IDS.most), Example("123456789012345678")] = 0
    """The channel for announcements, which are messages outside of a conversation; 0: none."""
    answer: AnswerMode = "always"
    """always: the team gets each message of a person who may write. mentioned: from a
    server it gets only messages that mention the bot or an agent."""
    answer_in: Annotated[Mapping[str, AnswerMode], Example('{ "123456789012345678" = "mentioned" }')] = field(
        default_factory=dict
    )
    """Another value of "answer" for some channels, by their IDs, and for the threads in them."""
    link_previews: bool = True
    """Whether Discord adds previews of the links in answers."""
    threads: bool = False
    """Whether each question in a channel gets a thread for its answer."""
    messages_per_minute: Annotated[int, Number("messages", 1, 1000)] = 20
    """The limit of messages from one person in a minute. Further messages wait for the next minute, and the person
    is notified.
    """
    catch_up_hours: Annotated[float, Number("hours", 0, 24 * 365)] = 24.0
    """The gateway fetches missed messages up to this age."""
    catch_up_messages: Annotated[int, Number("messages", 0, 100_000)] = 200
    """The maximum number of missed messages to fetch in each channel. The newest are fetched."""
    file_mib: Annotated[float, Number("MiB", 0, 500)] = 8.0
    """Attachments up to this size are stored in the team's folder."""
    transcribe: Annotated[tuple[str, ...], Example('["whisper-cli", "-nt", "-f"]')] = ()
    """The command that prints the text of a voice message; empty: agents get only the file."""
    files_from: Annotated[tuple[str, ...], Example('["~/reports"]')] = ()
    """Folders from which agents may send files, besides files/ in the team's folder."""
    refused_seconds: Annotated[float, Number("seconds", 0, 86400)] = 600.0
    """For this time the gateway tries to send an answer that Discord refuses for a temporary reason."""

    def __post_init__(self) -> None:
        for channel in self.answer_in:
            if not (channel.isascii() and channel.isdecimal()):
                raise ValueError(f"answer_in: {channel!r} must be the number of a channel")
        for folder in self.files_from:
            if not folder.startswith(("/", "~", "$")) or not folder.strip("/"):
                raise ValueError(f"files_from: {folder!r} must be a folder's whole path, and not all of the disk")


_TABLES = ComponentTables(
    GATEWAY,
    scripts=(Path(__file__).with_name("schema") / "1-tables.sql",),
    goes_with_message={"discord_chunks": ("message",)},
    forgets_person=("DELETE FROM discord_people WHERE CAST(person AS TEXT) = :id",),
    # After a restore no message is sent to Discord again, or stored from there again.
    carried_over=(
        "discord_channels",
        "discord_chunks",
        "discord_questions",
        "discord_relays",
        "discord_people",
        "discord_pairing_codes",
        "discord_state",
    ),
)

component = Component(
    name=GATEWAY,
    command="teamsup.workers.gateway.discord_gateway",
    section=GatewaySection,
    file_keys=("gateway.token_file",),
    secret_variables=("DISCORD_TOKEN",),
    # Discord allows a bot a thousand logins a day and then revokes its token.
    healthy_seconds=300.0,
    checks="teamsup.workers.gateway.access.discord_check:check_discord",
    online_checks="teamsup.workers.gateway.interactions.online_check:check_online",
    tables=_TABLES,
    rank=30,
)
