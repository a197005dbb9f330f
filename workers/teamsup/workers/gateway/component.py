"""The gateway as a component of a team."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from teamsup.config.components import Component
from teamsup.config.sections import check_range
from teamsup.hub.engines.component_tables import ComponentTables

from ..protocol import GATEWAY

ALWAYS, MENTIONED = ANSWER_MODES = ("always", "mentioned")


@dataclass(frozen=True)
class GatewaySection:
    """[gateway]: the users on Discord who may write to the team, by number. Paired users may write too. Other bots and
    webhooks may write only if listed.
    """

    token_file: str = ""
    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    guilds: tuple[int, ...] = ()
    bots: tuple[int, ...] = ()
    webhooks: tuple[int, ...] = ()
    """Webhooks, or the applications that made them."""
    deciders: tuple[int, ...] = ()
    """Users who may decide agents' questions; empty: all who may write."""
    home_channel: int = 0
    """The channel for announcements; 0: none."""
    answer: str = "always"
    """``always``: the team gets each message of an admitted person. ``mentioned``: on servers, only those to it."""
    answer_in: Mapping[str, str] = field(default_factory=dict)
    """The same for single channels with their threads, by number."""
    link_previews: bool = True
    """Whether Discord adds previews of the links in an answer."""
    threads: bool = False
    """Whether each question in a channel gets a thread for its answer."""
    messages_per_minute: int = 20
    """Per person; further messages wait for the next minute, and the person is notified."""
    catch_up_hours: float = 24.0
    """The maximum age of missed messages."""
    catch_up_messages: int = 200
    """The most missed messages of each channel, the newest ones."""
    file_mib: float = 8.0
    """Attachments up to this size are stored in the team's folder."""
    transcribe: tuple[str, ...] = ()
    """The command that prints the text of a voice message; empty: agents get the file alone."""
    files_from: tuple[str, ...] = ()
    """Folders from which agents may send files, besides files/ in the team's folder."""
    refused_seconds: float = 600.0
    """Seconds that an answer waits while Discord refuses it for a reason that may pass."""

    def __post_init__(self) -> None:
        for value in (self.answer, *self.answer_in.values()):
            if value not in ANSWER_MODES:
                raise ValueError(f"answer must be one of {', '.join(ANSWER_MODES)}, not {value!r}")
        for channel in self.answer_in:
            if not (channel.isascii() and channel.isdecimal()):
                raise ValueError(f"answer_in: {channel!r} must be the number of a channel")
        for folder in self.files_from:
            if not folder.startswith(("/", "~", "$")) or not folder.strip("/"):
                raise ValueError(f"files_from: {folder!r} must be a folder's whole path, and not all of the disk")
        check_range(self, 0, 86400, "refused_seconds", note=", which is a day")
        check_range(self, 1, 1000, "messages_per_minute")
        if not 0 <= self.catch_up_hours <= 24 * 365 or not 0 <= self.catch_up_messages <= 100_000:
            raise ValueError("catch_up_hours must be at most 8760, catch_up_messages at most 100000, and none below 0")
        check_range(self, 0, 500, "file_mib")


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
    tables=_TABLES,
    rank=30,
)
