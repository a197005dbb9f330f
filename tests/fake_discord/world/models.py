"""What a Discord world is made of."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 11, 12, 15  # kinds of channels
DEFAULT, THREAD_CREATED, REPLY, COMMAND, THREAD_STARTER = 0, 18, 19, 20, 21  # kinds of messages
SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING, SILENT = 1 << 2, 1 << 5, 1 << 6, 1 << 7, 1 << 12  # flags of messages
VOICE_MESSAGE, HAS_SNAPSHOT, COMPONENTS_V2 = 1 << 13, 1 << 14, 1 << 15


@dataclass
class FakeUser:
    id: int
    name: str
    bot: bool = False
    takes_dms: bool = True


@dataclass
class FakeRole:
    id: int
    name: str
    permissions: int
    position: int = 0
    bot: int | None = None  # whose own role it is


@dataclass
class FakeMember:
    user: int
    roles: set[int] = field(default_factory=set)
    nick: str | None = None
    joined: float = 1_704_067_200.0
    timed_out_until: float = 0.0


@dataclass
class PermissionOverwrite:
    """What a channel takes from a role or a member, and gives it."""

    id: int
    of_role: bool
    allow: int = 0
    deny: int = 0


@dataclass
class FakeGuild:
    id: int
    name: str
    owner: int
    roles: dict[int, FakeRole] = field(default_factory=dict)
    members: dict[int, FakeMember] = field(default_factory=dict)
    premium_tier: int = 0
    is_out: bool = False
    """Discord has lost it for a while, and tells nothing of it."""


@dataclass
class FakeAttachment:
    id: int
    filename: str
    content: bytes
    content_type: str
    description: str | None = None
    is_voice: bool = False
    title: str | None = None  # the name without its end, if the name has letters that are not ASCII


@dataclass(frozen=True)
class FakeReference:
    """The message that a message answers or forwards."""

    channel: int
    message: int
    is_forward: bool = False


@dataclass
class FakeMessage:
    id: int
    channel: int
    author: int
    created: float
    content: str = ""
    edited: float | None = None
    kind: int = DEFAULT
    flags: int = 0
    nonce: str | None = None
    attachments: list[FakeAttachment] = field(default_factory=list)
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    reactions: dict[str, list[int]] = field(default_factory=dict)
    reference: FakeReference | None = None
    mentions: list[int] = field(default_factory=list)
    mention_roles: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    interaction: int | None = None
    webhook: int | None = None  # the webhook that wrote it
    application: int | None = None  # the application that made the webhook
    snapshot: Json | None = None  # of the message that it forwards, as that was then
    versions: list[str] = field(default_factory=list)  # earlier contents, oldest first
    strange: Json = field(default_factory=dict)  # parts of it that nobody knows yet
    arrived: float = 0.0  # time.monotonic() when the bot's request was here, or when a person wrote

    @property
    def pings(self) -> bool:
        """Whether anybody's phone rings."""
        return not self.flags & SILENT and bool(self.mentions or self.mention_roles or self.mention_everyone)


@dataclass
class FakeChannel:
    id: int
    kind: int
    name: str = ""
    guild: int | None = None
    parent: int | None = None  # a thread's channel
    owner: int = 0
    recipient: int = 0  # the person at the other end of a DM
    created: float = 0.0
    overwrites: dict[int, PermissionOverwrite] = field(default_factory=dict)
    messages: dict[int, FakeMessage] = field(default_factory=dict)  # by id, which is their order
    members: set[int] = field(default_factory=set)  # of a thread
    auto_archive: int = 1440
    archived: bool = False
    closed: float = 0.0  # when it was archived, or opened again
    locked: bool = False

    @property
    def is_thread(self) -> bool:
        return self.kind in (PUBLIC_THREAD, PRIVATE_THREAD)


@dataclass
class FakeInteraction:
    """A command that somebody ran or a button that somebody pressed, and what the bot answered."""

    id: int
    token: str
    kind: int  # 2: command, 3: component
    name: str  # of the command, or the component's custom_id
    user: int
    channel: int
    created: float
    pressed: int | None = None  # the message with the button
    answer: int | None = None  # the kind of the first answer; None: not answered yet
    answered: float | None = None
    original: int | None = None  # the message that is the first answer
    messages: list[FakeMessage] = field(default_factory=list)  # all answers, also those that only one person sees
    modal: Json | None = None

    @property
    def deferred(self) -> bool:
        return self.answer in (5, 6)

    @property
    def thinking(self) -> bool:
        """Whether the person still sees that the bot is thinking."""
        return any(message.flags & LOADING for message in self.messages)


@dataclass(frozen=True)
class TypingStart:
    at: float
    channel: int
    user: int


@dataclass
class FakeEvent:
    """An event, before anybody has heard it."""

    name: str
    data: Json
    intent: int = 0  # needed to hear it; 0: everybody hears it
    channel: int | None = None  # heard only by who may view it
    hides_content: bool = False  # from who may not read messages
