"""Doctor's questions to Discord. They use REST only: a login at the gateway would end the session of the team."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import discord
from discord.http import Route

from teamsup.config.loader import Config
from teamsup.hub import Agent, NotConfigured, OptionalNotConfigured, Team
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.formatting import format_clock, format_duration

from ...protocol import GATEWAY
from ..component import GatewaySection
from ..connection.address_ban import ADDRESS_BLOCKED
from ..connection.client import needed_intents
from ..connection.disconnects import describe, find_remedy
from ..connection.token import BotToken, find_token
from .commands import describe_differences
from .permissions import Json, MissingPermissions, find_missing, find_role, missing_intents, needed_permissions

_LIMIT_SECONDS = 20.0
"""Time for all answers together."""
_MAX_SERVERS = 10
"""Each further server would take three requests from the gateway's own rate limit."""
_FEW_LOGINS = 100
_TEXT_TYPES = (0, 2, 5, 13)  # Discord's types of channels that take messages: text, voice, announcements, stage
_THREAD_TYPES = (10, 11, 12)
_CATEGORY, _FORUMS = 4, (15, 16)
_DIRECT_TYPES = (1, 3)
_TRY_AGAIN = "Compare: curl -sS https://discord.com/api/v10/gateway; https://discordstatus.com"
_MAX_NAMED = 4


def check_online(team: Team, agents: Mapping[str, Agent], call: CommandHint) -> list[Finding]:
    """Ask Discord whether the token, the intents, the commands and the permissions suffice."""
    gateway = agents.get(GATEWAY)
    is_present = gateway is not None and gateway.is_present(datetime.now(UTC))
    try:
        section = Config(team).section(GATEWAY, GatewaySection)
        token = find_token(section, dict(os.environ))
    except OptionalNotConfigured as error:
        if not is_present:
            return [Finding("discord login", Verdict.OK, "it is not configured, so Discord was not asked")]
        return [_unknown("login", str(error), "Run doctor with the DISCORD_TOKEN of the gateway.")]
    except NotConfigured:
        return []  # another finding says so
    if is_present and gateway is not None and ADDRESS_BLOCKED in gateway.note:
        return [_unknown("login", f"{ADDRESS_BLOCKED}, and each request prolongs that", _TRY_AGAIN)]
    return asyncio.run(examine_discord(section, token, call, is_running=is_present))


async def examine_discord(
    section: GatewaySection, token: BotToken, call: CommandHint, *, is_running: bool, seconds: float = _LIMIT_SECONDS
) -> list[Finding]:
    """Return what Discord says about the bot. A question without an answer after ``seconds`` counts as unknown."""
    client = discord.Client(intents=needed_intents(), max_ratelimit_timeout=30.0)
    end = asyncio.get_running_loop().time() + seconds

    async def ask(check: str, question: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
        try:
            async with asyncio.timeout_at(end):
                return await question()
        except TimeoutError:
            return [_unknown(check, f"Discord has not answered within {format_duration(seconds)}", _TRY_AGAIN)]
        except discord.LoginFailure as error:
            remedy = find_remedy(error)
            text = "Discord refused the token" if remedy is None else remedy.sentence.partition(". ")[0]
            hint = "Copy a new token from the bot's page in the portal: https://discord.com/developers/applications"
            return [Finding(f"discord {check}", Verdict.FAILED, text, f"{hint}; then: {call('restart', GATEWAY)}")]
        except (aiohttp.ClientError, OSError, discord.DiscordException) as error:
            return [_unknown(check, f"Discord cannot be asked: {token.redact(describe(error))}", _TRY_AGAIN)]

    examination = _Examination(client, section, call, is_running=is_running)
    try:
        found = await ask("login", lambda: examination.log_in(token))
        if any(finding.verdict is not Verdict.OK for finding in found):
            return found
        parts = await asyncio.gather(
            ask("intents", examination.check_intents),
            ask("logins", examination.check_logins),
            ask("commands", examination.check_commands),
            ask("servers", examination.check_servers),
        )
        return [*found, *(finding for part in parts for finding in part)]
    finally:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), 1.0)


@dataclass(frozen=True, slots=True)
class _Server:
    guild: Json
    member: Json
    channels: Mapping[str, Json]


class _Examination:
    """The questions of one examination, with a client that has no session at the gateway."""

    def __init__(self, client: discord.Client, section: GatewaySection, call: CommandHint, *, is_running: bool) -> None:
        self._client = client
        self._section = section
        self._call = call
        self._is_running = is_running

    async def log_in(self, token: BotToken) -> list[Finding]:
        await self._client.login(token.text)  # discord.py's login is REST; only connect() opens a session
        return [Finding("discord login", Verdict.OK, f"the token is valid; the bot is {self._client.user}")]

    async def check_intents(self) -> list[Finding]:
        application = self._application
        missing = missing_intents(needed_intents(), application.flags)
        if missing:
            page = f"https://discord.com/developers/applications/{application.id}/bot"
            text = f"switched off: {', '.join(missing)}"
            hint = f"Open {page}, and switch on {' and '.join(missing)}"
            return [Finding("discord intents", Verdict.FAILED, text, hint)]
        return [Finding("discord intents", Verdict.OK, "all needed intents are switched on")]

    async def check_logins(self) -> list[Finding]:
        limit = (await self._get("/gateway/bot"))["session_start_limit"]
        left, total = int(limit["remaining"]), int(limit["total"])
        then = format_clock(datetime.now(UTC) + timedelta(milliseconds=int(limit["reset_after"])))
        text = f"{left} of {total} logins are left until {then}"
        if left >= _FEW_LOGINS:
            return [Finding("discord logins", Verdict.OK, text)]
        hint = f"Find out why the gateway logs in so often: {self._call('logs', GATEWAY)}"
        return [Finding("discord logins", Verdict.WARNING if left else Verdict.FAILED, text, hint)]

    async def check_commands(self) -> list[Finding]:
        application = self._application
        if application.interactions_endpoint_url:
            page = f"https://discord.com/developers/applications/{application.id}/information"
            text = "Discord sends commands and buttons to a web address, not to the gateway"
            return [
                Finding("discord commands", Verdict.FAILED, text, f"Open {page}, and empty Interactions Endpoint URL")
            ]
        registered = await self._get(f"/applications/{application.id}/commands")
        if not (differences := describe_differences(registered)):
            return [Finding("discord commands", Verdict.OK, f"all {len(registered)} are registered")]
        hint = f"Register them: {self._call('restart', GATEWAY) if self._is_running else self._call('start')}"
        verdict = Verdict.FAILED if self._is_running else Verdict.WARNING
        named = "; ".join(sorted(differences)[:_MAX_NAMED])
        more = f"; and {len(differences) - _MAX_NAMED} more" if len(differences) > _MAX_NAMED else ""
        return [Finding("discord commands", verdict, named + more, hint)]

    async def check_servers(self) -> list[Finding]:
        """Check the servers of the bot, and each channel that teamsup.toml names."""
        configured = self._section.guilds
        guilds = sorted(await self._get("/users/@me/guilds"), key=lambda each: int(each["id"]) not in configured)
        here = {int(each["id"]) for each in guilds}
        found = [self._describe_absence(number) for number in configured if number not in here]
        servers = []
        for guild in guilds[:_MAX_SERVERS]:
            try:
                servers.append(await self._read_server(guild["id"]))
            except discord.HTTPException as error:
                found.append(_unknown(f"server {guild['name']}", describe(error), _TRY_AGAIN))
        if not guilds:
            hint = f"Invite it: {self._invitation()}"
            found.append(Finding("discord servers", Verdict.WARNING, "the bot is in no server", hint))
        found += [self._describe_server(server) for server in servers]
        if left := guilds[_MAX_SERVERS:]:
            names = ", ".join(each["name"] for each in left)
            hint = "Name their channels or servers under [gateway], or compare the roles by hand."
            found.append(_unknown("servers", f"not examined: {names}", hint))
        for number, keys in _configured_channels(self._section).items():
            found.append(await self._check_channel(number, keys, servers))
        return found

    async def _read_server(self, number: str) -> _Server:
        guild = await self._get(f"/guilds/{number}")
        member = await self._get(f"/guilds/{number}/members/{self._client.application_id}")
        channels = await self._get(f"/guilds/{number}/channels")
        return _Server(guild, member, {each["id"]: each for each in channels})

    def _describe_absence(self, number: int) -> Finding:
        hint = f"Correct it in teamsup.toml, or invite the bot: {self._invitation()}"
        return Finding(f"discord server {number}", Verdict.FAILED, "guilds: the bot is not in that server", hint)

    def _describe_server(self, server: _Server) -> Finding:
        check = f"discord server {server.guild['name']}"
        if (until := _timed_out_until(server.member)) is not None:
            text = f"a moderator has timed the bot out until {format_clock(until)}"
            return Finding(check, Verdict.FAILED, text, "Let a moderator click on the bot, then Remove Timeout")
        missing = find_missing(needed_permissions(self._section), server.guild, server.member)
        if not missing.names:
            return Finding(check, Verdict.OK, "the bot's roles have all permissions that it needs")
        text = f"the bot's roles lack {', '.join(missing.names)}"
        return Finding(check, Verdict.WARNING, text, _describe_clicks(missing, server, ""))

    async def _check_channel(self, number: int, keys: str, servers: list[_Server]) -> Finding:
        check = f"discord channel {number}"
        server, channel = _find_channel(str(number), servers)
        try:
            if channel is None:
                channel = await self._get(f"/channels/{number}")
        except discord.NotFound:
            hint = "Copy the ID in Discord: right-click on the channel, Copy Channel ID (needs Developer Mode)"
            return Finding(check, Verdict.FAILED, f"{keys}: there is no such channel for the bot", hint)
        except discord.Forbidden:
            hint = f"Invite the bot to its server, or to that thread: {self._invitation()}"
            return Finding(check, Verdict.FAILED, f"{keys}: the bot may not view it", hint)
        if channel["type"] in _DIRECT_TYPES:
            return Finding(check, Verdict.OK, f"{keys}: direct messages")
        is_thread = channel["type"] in _THREAD_TYPES
        source = channel  # the channel whose permissions apply
        if is_thread:
            server, parent = _find_channel(str(channel["parent_id"]), servers)
            source = parent or channel
        if server is None:
            return _unknown(f"channel {number}", f"{keys}: its server was not examined", "List it in guilds.")
        name = f"{keys}: #{channel['name']} of {server.guild['name']}"
        if trouble := _describe_kind(number, channel["type"], self._section):
            return Finding(check, Verdict.FAILED, f"{name} {trouble}", "Name a text channel in teamsup.toml.")
        needed = needed_permissions(self._section, in_thread=is_thread or source["type"] in _FORUMS)
        missing = find_missing(needed, server.guild, server.member, source.get("permission_overwrites") or ())
        if missing.names:
            text = f"{name}: the bot lacks {', '.join(missing.names)}"
            return Finding(check, Verdict.FAILED, text, _describe_clicks(missing, server, source["name"]))
        return Finding(check, Verdict.OK, f"{name}: the bot has all permissions that it needs")

    @property
    def _application(self) -> discord.AppInfo:
        if self._client.application is None:
            raise discord.ClientException("not logged in")
        return self._client.application

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - Discord's JSON
        return await self._client.http.request(Route("GET", path))

    def _invitation(self) -> str:
        """Return the address where the owner of a server invites the bot, with the permissions that it needs."""
        needed = discord.Permissions(**dict.fromkeys(needed_permissions(self._section), True))
        scopes = ("bot", "applications.commands")
        return discord.utils.oauth_url(self._application.id, permissions=needed, scopes=scopes)


def _unknown(check: str, text: str, hint: str) -> Finding:
    return Finding(f"discord {check}", Verdict.UNKNOWN, text.rstrip("."), hint)


def _configured_channels(section: GatewaySection) -> dict[int, str]:
    """Return the channels that teamsup.toml names, with the keys that name them."""
    keys: dict[int, list[str]] = {}
    if section.home_channel:
        keys.setdefault(section.home_channel, []).append("home_channel")
    for key, numbers in (("channels", section.channels), ("answer_in", map(int, section.answer_in))):
        for number in numbers:
            keys.setdefault(number, []).append(key)
    return {number: ", ".join(dict.fromkeys(names)) for number, names in keys.items()}


def _find_channel(number: str, servers: list[_Server]) -> tuple[_Server | None, Json | None]:
    return next(((each, each.channels[number]) for each in servers if number in each.channels), (None, None))


def _describe_kind(number: int, kind: int, section: GatewaySection) -> str:
    """Return why a channel of this type of Discord cannot serve, or an empty text."""
    if kind == _CATEGORY:
        return "is a category, which has no messages"
    if number == section.home_channel and kind not in (*_TEXT_TYPES, *_THREAD_TYPES):
        return "takes no announcements"
    return ""


def _describe_clicks(missing: MissingPermissions, server: _Server, channel: str) -> str:
    """Return the clicks that grant the permissions. ``channel`` is empty for a server."""
    role = find_role(server.guild, server.member)
    whom = server.member["user"]["username"] if missing.is_bot_itself_denied else role
    steps = [
        *([f"Server Settings > Roles > {role}: switch on {', '.join(missing.in_server)}"] if missing.in_server else []),
        *(
            [f"#{channel} > Edit Channel > Permissions > {whom}: allow {', '.join(missing.in_channel)}"]
            if missing.in_channel
            else []
        ),
    ]
    return "; ".join(steps)


def _timed_out_until(member: Json) -> datetime | None:
    text = member.get("communication_disabled_until")
    until = datetime.fromisoformat(text) if text else None
    return until if until is not None and until > datetime.now(UTC) else None
