"""Classify errors of Discord and of the network: retry, defer or reject an answer. Pure."""

from dataclasses import dataclass

import aiohttp
import discord

_MIN_DELAY_SECONDS, _MAX_DELAY_SECONDS = 1.0, 30.0
_BAN_SECONDS = 60.0
_TRANSIENT_STATUSES = (401, 408, 425, 429)  # the connection handles a wrong token
_FILE_CODES = (40005, 50045, 50046, 50146)
_CHANNEL_CODES = (40058, 50008, 50024, 50083, 160005)
UNKNOWN_CHANNEL = 10003
MAX_DEFER_SECONDS = 600.0
"""Default seconds for retries of messages that Discord may accept later."""

RETRY_CODES = frozenset(
    {
        20028,  # the channel's write rate limit
        20029,  # the server's write rate limit
        40062,  # a service is rate limited
        40333,  # Cloudflare blocks the request
        130000,  # the API is overloaded
    }
)
"""Discord's codes for "busy". Their requests are retried without a limit."""

DEFER_CODES = frozenset(
    {
        UNKNOWN_CHANNEL,  # unknown channel: also said of a channel that Discord has lost for a moment
        10004,  # unknown server: likewise
        20016,  # slowmode
        20022,  # too many edits of announcements
        30033,  # too many people in the thread
        30046,  # too many edits of old messages
        40002,  # the account has to be verified
        40003,  # direct messages are opened too fast
        40004,  # sending is switched off for a while
        40006,  # the feature is switched off for a while
        50001,  # missing access
        50007,  # the person takes no messages from the bot
        50009,  # the server's verification level
        50013,  # missing permissions: a role is being edited, or the bot is timed out
        50055,  # invalid server
        50278,  # no server in common with the person
        60003,  # two-factor authentication is required
        110001,  # the application is not yet available
        160006,  # too many active threads
        160007,  # too many active announcement threads
    }
)
"""Discord's codes for refusals that may end later, for example after a change of permissions."""

REJECT_CODES = frozenset(
    {
        10008,  # unknown message
        10013,  # unknown user
        10015,  # unknown webhook: the time to answer there is over
        10062,  # unknown interaction: likewise
        20001,  # not for bots
        20009,  # explicit content
        20031,  # words that are not allowed
        30010,  # too many reactions
        40005,  # too large
        40007,  # the user is banned from the server
        40058,  # a forum takes posts only
        50003,  # not in direct messages
        50005,  # another user's message
        50006,  # an empty message
        50008,  # not a text channel
        50021,  # a system message
        50024,  # not in a channel of this type
        50035,  # an invalid body
        50045,  # a file is too large
        50046,  # an invalid file
        50083,  # the thread is archived
        50109,  # invalid JSON
        50146,  # an uploaded file was not found
        50173,  # no voice messages here
        50600,  # this sticker is not for us
        160005,  # the thread is locked
        200000,  # AutoMod has blocked the message
        200001,  # AutoMod has blocked the title
        240000,  # a harmful link
    }
)
"""Discord's codes for final refusals: the same message would be refused for the same reason."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The message may have arrived: retry after these seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Defer:
    """Discord does not take the message now: retry after these seconds, for some minutes."""

    seconds: float
    reason: str
    may_pass_without_files: bool = False
    is_unknown_channel: bool = False
    """Discord says that there is no such channel."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Discord refuses the message permanently."""

    reason: str
    may_pass_without_files: bool = False
    is_channel_wide: bool = False
    """Whether the channel would refuse all other messages too."""


def classify(client: discord.Client, error: Exception, age: float = 0.0) -> Retry | Defer | Reject | None:
    """Classify an error. ``age`` is the time in seconds since the first attempt. Return None for an error that does not
    come from Discord: it is a bug of teamsup.
    """
    if client.is_closed():
        return Retry(_MIN_DELAY_SECONDS)
    pause = min(_MAX_DELAY_SECONDS, max(_MIN_DELAY_SECONDS, age / 2))
    match error:
        case discord.RateLimited():
            return Retry(error.retry_after)
        case discord.HTTPException(status=429):
            # discord.py itself waits for other limits, so this one is a ban of the whole address.
            return Retry(_BAN_SECONDS)
        case discord.HTTPException(status=status, code=code) if (
            status >= 500 or status in _TRANSIENT_STATUSES or code in RETRY_CODES
        ):
            return Retry(pause)
        case discord.Forbidden(code=0):
            # A 403 without Discord's code comes from a proxy on the way.
            return Retry(_MAX_DELAY_SECONDS)
        case discord.HTTPException():
            return _classify_http_error(error, pause)
        case discord.ClientException() | discord.GatewayNotFound() | aiohttp.ClientError() | OSError():
            return Retry(pause)
    return None


def _classify_http_error(error: discord.HTTPException, pause: float) -> Defer | Reject:
    """Classify by Discord's code, or by the HTTP status if the code is unknown. Defer for a forbidden or missing
    channel, which may become usable.
    """
    why = " ".join(error.text.split())[:300].rstrip(".") or f"error {error.status}"
    about_files = error.status in (403, 413) or error.code in _FILE_CODES
    if error.code in DEFER_CODES or (error.code not in REJECT_CODES and error.status in (403, 404)):
        return Defer(pause, why, about_files, is_unknown_channel=error.code == UNKNOWN_CHANNEL)
    return Reject(why, about_files, error.code in _CHANNEL_CODES)
