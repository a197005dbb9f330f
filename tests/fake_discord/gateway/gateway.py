"""The gateway: who is logged in, and what each session hears."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from ..faults import FaultPlan
from ..ids import BOT
from ..rules import GUILD_MEMBERS, GUILDS, KNOWN_INTENTS, PRIVILEGED
from ..world.models import FakeEvent, Json
from ..world.payloads import application_flags, guild_json, member_json, user_json
from ..world.permissions import Permission
from ..world.world import FakeWorld
from .connection import IDENTIFY, INVALID_SESSION, RESUME, GatewayConnection
from .sessions import GatewaySession

_DAY = 86_400.0
_MEMBERS = 8


@dataclass(frozen=True)
class LoginAttempt:
    """An IDENTIFY, with any result."""

    at: float
    intents: int
    refused: int | None = None  # the close code


@dataclass(frozen=True)
class Resumption:
    at: float
    session: str
    seq: int
    replayed: int | None  # events; None: refused
    at_right_url: bool


@dataclass(frozen=True)
class ConnectionClose:
    """The end of a connection. 1006: without a word."""

    at: float
    code: int | None
    by_bot: bool
    session: str | None


class FakeGateway:
    def __init__(self, world: FakeWorld, faults: FaultPlan) -> None:
        self._world = world
        self._faults = faults
        self.sessions: dict[str, GatewaySession] = {}
        self.connections: list[GatewayConnection] = []
        self.logins: list[LoginAttempt] = []
        self.resumptions: list[Resumption] = []
        self.closes: list[ConnectionClose] = []
        self._last_identify = float("-inf")
        world.listeners.append(self._deliver)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        connection = GatewayConnection(request, self._world.rules, self._faults)
        self.connections.append(connection)
        try:
            return await connection.run(self._on_op)
        finally:
            self.connections.remove(connection)
            self._on_connection_closed(connection)

    def live_sessions(self) -> list[GatewaySession]:
        """Sessions that hear, or that could still be resumed. With one of them the bot is shown online."""
        oldest = self._world.clock.now() - self._world.rules.session_life
        self.sessions = {
            number: session
            for number, session in self.sessions.items()
            if session.detached_at is None or session.detached_at > oldest
        }
        return list(self.sessions.values())

    def logins_today(self) -> int:
        since = self._world.clock.now() - _DAY
        return sum(1 for login in self.logins if login.at > since)

    def start_limit(self) -> Json:
        rules = self._world.rules
        left = max(0, rules.sessions_a_day - self.logins_today())
        return {"total": rules.sessions_a_day, "remaining": left, "reset_after": int(_DAY * 1000), "max_concurrency": 1}

    def _deliver(self, happening: FakeEvent) -> None:
        if happening.channel is not None:
            channel = self._world.channels[happening.channel]
            if not self._world.permissions_of(channel) & Permission.VIEW_CHANNEL:
                return
            if channel.guild is not None and self._world.guilds[channel.guild].is_out:
                return
        for session in self.live_sessions():
            session.receive(happening)

    def _on_connection_closed(self, connection: GatewayConnection) -> None:
        session, now = connection.session, self._world.clock.now()
        name = session.id if session is not None else None
        self.closes.append(ConnectionClose(now, connection.close_code, connection.closed_by_bot, name))
        if session is None or self.sessions.get(session.id) is not session:
            return
        if connection.closed_by_bot and connection.close_code in (1000, 1001):
            del self.sessions[session.id]  # the bot has left, and is shown offline at once
        elif session.send == connection.send:
            session.send, session.detached_at = None, now

    async def _on_op(self, connection: GatewayConnection, op: int, data: Json) -> None:
        if op == IDENTIFY:
            self._identify(connection, data)
        elif op == RESUME:
            self._resume(connection, data)
        elif connection.session is None:
            connection.close(4003)
        elif op == _MEMBERS:
            self._send_members(connection.session, data)

    def _identify(self, connection: GatewayConnection, data: Json) -> None:
        if connection.session is not None:
            return connection.close(4005)
        refused, now = self._refusal(data), time.monotonic()
        self.logins.append(LoginAttempt(self._world.clock.now(), data.get("intents", 0), refused))
        if refused is not None:
            return connection.close(refused)
        if now - self._last_identify < self._world.rules.identify_every:
            return connection.send({"op": INVALID_SESSION, "d": False})
        self._last_identify = now
        session = GatewaySession(data["intents"], self._world.rules.replay_limit)
        self.sessions[session.id] = session
        self._attach(connection, session, ())
        session.dispatch("READY", self._ready(session, data.get("shard")))
        if session.intents & GUILDS:
            for guild in self._world.guilds.values():
                if BOT in guild.members and not guild.is_out:
                    session.dispatch("GUILD_CREATE", self._visible(session, guild_json(self._world, guild)))
        return None

    def _refusal(self, data: Json) -> int | None:
        """The code that a login is closed with."""
        rules = self._world.rules
        intents, (number, count) = data.get("intents"), data.get("shard") or (0, 1)
        if self.logins_today() >= rules.sessions_a_day:
            # Discord takes the token away from a bot that logs in too often.
            rules.token = "reset by Discord"  # noqa: S105
        refusals = [
            (4004, data.get("token") != rules.token),
            (4010, not 0 <= number < count),
            (4011, rules.sharding_required and count == 1),
            (4013, not isinstance(intents, int) or bool(intents & ~KNOWN_INTENTS)),
            (4014, isinstance(intents, int) and bool(intents & PRIVILEGED & ~rules.privileged)),
        ]
        return next((code for code, applies in refusals if applies), None)

    def _ready(self, session: GatewaySession, shard: list[int] | None) -> Json:
        guilds = [guild.id for guild in self._world.guilds.values() if BOT in guild.members]
        data: Json = {
            "v": 10,
            "user": user_json(self._world.users[BOT]),
            "guilds": [{"id": str(guild), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self._world.url.replace("http", "ws", 1) + "/resume/",
            "application": {"id": str(BOT), "flags": application_flags(self._world)},
            "private_channels": [],
        }
        return data if shard is None else {**data, "shard": shard}

    def _visible(self, session: GatewaySession, guild: Json) -> Json:
        """Without the members intent a bot learns only of itself."""
        if session.intents & GUILD_MEMBERS:
            return guild
        return {**guild, "members": [each for each in guild["members"] if each["user"]["id"] == str(BOT)]}

    def _resume(self, connection: GatewayConnection, data: Json) -> None:
        if connection.session is not None:
            return connection.close(4005)
        if data.get("token") != self._world.rules.token:
            return connection.close(4004)
        self.live_sessions()
        session = self.sessions.get(str(data.get("session_id")))
        seq = data.get("seq") or 0
        if session is not None and seq > session.seq:
            self._resumed(connection, data, None)
            return connection.close(4007)
        missed = session.events_after(seq) if session is not None else None
        if session is None or missed is None or not session.resumable:
            self._resumed(connection, data, None)
            return connection.send({"op": INVALID_SESSION, "d": False})
        self._resumed(connection, data, len(missed))
        self._attach(connection, session, missed)
        return session.dispatch("RESUMED", {"_trace": []})

    def _resumed(self, connection: GatewayConnection, data: Json, replayed: int | None) -> None:
        now, seq = self._world.clock.now(), data.get("seq") or 0
        self.resumptions.append(Resumption(now, str(data.get("session_id")), seq, replayed, connection.resuming))

    def _attach(self, connection: GatewayConnection, session: GatewaySession, missed: Iterable[Json]) -> None:
        for other in self.connections:
            if other is not connection and other.session is session:
                other.close(4000)
        for frame in missed:
            connection.send(frame)
        connection.session = session
        session.send, session.detached_at = connection.send, None

    def _send_members(self, session: GatewaySession, data: Json) -> None:
        guild = self._world.guilds[int(data["guild_id"])]
        wanted = data.get("user_ids") or []
        named = {int(number) for number in (wanted if isinstance(wanted, list) else [wanted])}
        prefix = str(data.get("query") or "").lower()
        members = [
            member_json(self._world, member)
            for member in guild.members.values()
            if (member.user in named if named else self._world.users[member.user].name.lower().startswith(prefix))
        ]
        chunk = {"guild_id": str(guild.id), "members": members, "chunk_index": 0, "chunk_count": 1, "not_found": []}
        session.dispatch("GUILD_MEMBERS_CHUNK", {**chunk, **({"nonce": data["nonce"]} if "nonce" in data else {})})
