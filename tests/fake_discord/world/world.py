"""The state of a Discord: people, guilds, channels and what happens in them."""

from collections.abc import Callable

from ..clock import SimulatedClock, SnowflakeGenerator
from ..ids import ANN, BOB, BOT, BOT_ROLE, CHANNEL, FIRST_FREE, GUILD, OPERATORS, OTHER_BOT
from ..rules import DM_MESSAGES, GUILD_MEMBERS, GUILD_MESSAGES, GUILDS, DiscordRules
from .api_errors import unknown_entity
from .models import (
    DM,
    PRIVATE_THREAD,
    TEXT,
    FakeChannel,
    FakeEvent,
    FakeGuild,
    FakeInteraction,
    FakeMember,
    FakeMessage,
    FakeRole,
    FakeUser,
    Json,
    PermissionOverwrite,
    TypingStart,
)
from .payloads import channel_json, guild_json, member_json, user_json
from .permissions import ALL_PERMISSIONS, TIMED_OUT_PERMISSIONS, USER_PERMISSIONS, Permission, permissions_of


class FakeWorld:
    """Everything that a Discord remembers. A listener gets the events in the order in which they happened."""

    def __init__(self, clock: SimulatedClock, rules: DiscordRules) -> None:
        self.clock = clock
        self.rules = rules
        self.snowflakes = SnowflakeGenerator(clock)
        self.url = ""
        self.listeners: list[Callable[[FakeEvent], None]] = []
        self.users: dict[int, FakeUser] = {}
        self.guilds: dict[int, FakeGuild] = {}
        self.channels: dict[int, FakeChannel] = {}
        self.messages: dict[int, FakeMessage] = {}
        self.typing: list[TypingStart] = []
        self.interactions: dict[int, FakeInteraction] = {}
        self.commands: dict[int | None, list[Json]] = {}  # by guild; None: everywhere
        self.nonces: dict[tuple[int, str], tuple[float, int]] = {}  # author and nonce: when, which message
        self._next = FIRST_FREE
        for user in (FakeUser(BOT, "teamsup", bot=True), FakeUser(ANN, "Ann"), FakeUser(BOB, "Bob")):
            self.users[user.id] = user
        self.users[OTHER_BOT] = FakeUser(OTHER_BOT, "Botty", bot=True)
        self.add_guild("Crew", GUILD)
        self.guilds[GUILD].roles[OPERATORS] = FakeRole(OPERATORS, "operators", 0, position=1)
        self.add_channel("general", GUILD, CHANNEL)

    def new_id(self) -> int:
        """For what is configured. It is the same in every run, so that faults fall alike."""
        self._next += 1
        return self._next

    def send_event(self, happening: FakeEvent) -> None:
        for listener in self.listeners:
            listener(happening)

    def user(self, number: int) -> FakeUser:
        if number not in self.users:
            raise unknown_entity("User")
        return self.users[number]

    def guild(self, number: int) -> FakeGuild:
        if number not in self.guilds:
            raise unknown_entity("Guild")
        return self.guilds[number]

    def channel(self, number: int) -> FakeChannel:
        if number not in self.channels:
            raise unknown_entity("Channel")
        return self.channels[number]

    def message(self, channel: int, number: int) -> FakeMessage:
        message = self.channel(channel).messages.get(number)
        if message is None:
            raise unknown_entity("Message")
        return message

    def permissions_of(self, channel: FakeChannel, user: int = BOT) -> Permission:
        """What somebody may do there; in a thread what they may do in its channel."""
        if channel.guild is None:
            return ALL_PERMISSIONS if user in (channel.recipient, BOT) else Permission(0)
        guild = self.guilds[channel.guild]
        if user not in guild.members:
            return Permission(0)
        may = permissions_of(guild, channel if channel.parent is None else self.channels[channel.parent], user)
        if guild.members[user].timed_out_until > self.clock.now() and not may & Permission.ADMINISTRATOR:
            may &= TIMED_OUT_PERMISSIONS
        if channel.parent is None:
            return may
        hidden = channel.kind == PRIVATE_THREAD and user not in channel.members and not may & Permission.MANAGE_THREADS
        return Permission(0) if hidden else may

    def message_intent(self, channel: FakeChannel) -> int:
        """The intent for messages there; those for reactions and typing are the next two bits."""
        return DM_MESSAGES if channel.kind == DM else GUILD_MESSAGES

    def add_user(self, name: str, *, bot: bool = False, guild: int | None = GUILD) -> int:
        user = FakeUser(self.new_id(), name, bot)
        self.users[user.id] = user
        if guild is not None:
            self.add_member(guild, user.id)
        return user.id

    def add_member(self, guild: int, user: int, *roles: int) -> None:
        self.guilds[guild].members[user] = member = FakeMember(user, set(roles))
        data = {**member_json(self, member), "guild_id": str(guild)}
        self.send_event(FakeEvent("GUILD_MEMBER_ADD", data, GUILD_MEMBERS))

    def add_role(self, guild: int, user: int, role: int) -> None:
        member = self.guilds[guild].members[user]
        member.roles.add(role)
        data = {**member_json(self, member), "guild_id": str(guild)}
        self.send_event(FakeEvent("GUILD_MEMBER_UPDATE", data, GUILD_MEMBERS))

    def time_out(self, guild: int, user: int, seconds: float) -> None:
        member = self.guilds[guild].members[user]
        member.timed_out_until = self.clock.now() + seconds
        data = {**member_json(self, member), "guild_id": str(guild)}
        # A bot always hears of itself.
        self.send_event(FakeEvent("GUILD_MEMBER_UPDATE", data, GUILDS if user == BOT else GUILD_MEMBERS))

    def remove_member(self, guild: int, user: int) -> None:
        del self.guilds[guild].members[user]
        data: Json = {"guild_id": str(guild), "user": user_json(self.users[user])}
        if user == BOT:
            self.send_event(FakeEvent("GUILD_DELETE", {"id": str(guild)}, GUILDS))
        else:
            self.send_event(FakeEvent("GUILD_MEMBER_REMOVE", data, GUILD_MEMBERS))

    def add_guild(self, name: str, number: int | None = None) -> int:
        """A guild with everybody in it and the bot invited."""
        guild = FakeGuild(number or self.new_id(), name, owner=0)
        guild.roles[guild.id] = FakeRole(guild.id, "@everyone", USER_PERMISSIONS)
        role = BOT_ROLE if guild.id == GUILD else self.new_id()
        guild.roles[role] = FakeRole(
            role, "teamsup", USER_PERMISSIONS | Permission.MENTION_EVERYONE | Permission.MANAGE_THREADS, 2, BOT
        )
        guild.members = {user: FakeMember(user, {role} if user == BOT else set()) for user in self.users}
        self.guilds[guild.id] = guild
        self._announce_invitation(guild)
        return guild.id

    def invite_bot(self, number: int) -> None:
        """It was thrown out, and comes back."""
        guild = self.guilds[number]
        role = next(role.id for role in guild.roles.values() if role.name == "teamsup")
        guild.members = {BOT: FakeMember(BOT, {role}, joined=self.clock.now()), **guild.members}
        self._announce_invitation(guild)

    def _announce_invitation(self, guild: FakeGuild) -> None:
        data = guild_json(self, guild)
        # By the missing word a bot knows that it was invited just now.
        del data["unavailable"]
        self.send_event(FakeEvent("GUILD_CREATE", {**data, "members": data["members"][:1]}, GUILDS))

    def lose_guild(self, number: int) -> None:
        """An outage of that guild alone."""
        self.guilds[number].is_out = True
        self.send_event(FakeEvent("GUILD_DELETE", {"id": str(number), "unavailable": True}, GUILDS))

    def find_guild(self, number: int) -> None:
        """The outage is over."""
        guild = self.guilds[number]
        guild.is_out, data = False, guild_json(self, guild)
        self.send_event(FakeEvent("GUILD_CREATE", {**data, "members": data["members"][:1]}, GUILDS))

    def add_channel(self, name: str, guild: int = GUILD, number: int | None = None, *, kind: int = TEXT) -> int:
        channel = FakeChannel(number or self.new_id(), kind, name, guild, created=self.clock.now())
        self.channels[channel.id] = channel
        self.send_event(FakeEvent("CHANNEL_CREATE", channel_json(self, channel), GUILDS))
        return channel.id

    def remove_channel(self, number: int) -> None:
        """With its threads and all that was said there."""
        for thread in [thread.id for thread in self.channels.values() if thread.parent == number]:
            self.remove_channel(thread)
        channel = self.channels[number]
        name = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
        self.send_event(FakeEvent(name, channel_json(self, channel), GUILDS, number if channel.is_thread else None))
        for message in channel.messages:
            del self.messages[message]
        del self.channels[number]

    def overwrite(self, number: int, *, whom: int, allow: int = 0, deny: int = 0) -> None:
        """Give a role or a member something in a channel, or take it."""
        channel = self.channels[number]
        assert channel.guild is not None
        of_role = whom in self.guilds[channel.guild].roles
        channel.overwrites[whom] = PermissionOverwrite(whom, of_role, allow, deny)
        self.send_event(FakeEvent("CHANNEL_UPDATE", channel_json(self, channel), GUILDS))

    def dm_with(self, user: int) -> FakeChannel:
        """The direct messages between the bot and a person, opened if need be."""
        self.user(user)
        for channel in self.channels.values():
            if channel.kind == DM and channel.recipient == user:
                return channel
        channel = FakeChannel(self.new_id(), DM, recipient=user, created=self.clock.now())
        self.channels[channel.id] = channel
        return channel

    def type_in(self, channel: FakeChannel, user: int) -> None:
        now = self.clock.now()
        self.typing.append(TypingStart(now, channel.id, user))
        data: Json = {"channel_id": str(channel.id), "user_id": str(user), "timestamp": int(now)}
        if channel.guild is not None:
            member = self.guilds[channel.guild].members[user]
            data |= {"guild_id": str(channel.guild), "member": member_json(self, member)}
        self.send_event(FakeEvent("TYPING_START", data, self.message_intent(channel) << 2, channel.id))
