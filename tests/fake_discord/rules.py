"""What this Discord allows. Tests change it while it runs."""

from dataclasses import dataclass, field

TOKEN = "a-token.for.tests"  # noqa: S105

GUILDS, GUILD_MEMBERS, PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, GUILD_REACTIONS, GUILD_TYPING = 1 << 9, 1 << 10, 1 << 11
DM_MESSAGES, DM_REACTIONS, DM_TYPING = 1 << 12, 1 << 13, 1 << 14
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT
KNOWN_INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))

MIB = 1 << 20
UPLOAD_LIMITS = {0: 10 * MIB, 1: 10 * MIB, 2: 50 * MIB, 3: 100 * MIB}  # by the guild's premium tier
REQUEST_LIMIT = 25 * MIB


@dataclass(frozen=True)
class RateLimit:
    """So many requests in so many seconds, for each channel, guild or interaction."""

    count: int
    seconds: float


# What bots have seen of Discord's own. Headers tell them, so nobody may rely on the figures.
REAL_LIMITS = {
    "POST /channels/*/messages": RateLimit(5, 5.0),
    "PATCH /channels/*/messages/*": RateLimit(5, 5.0),
    "PUT /channels/*/messages/*/reactions/*/@me": RateLimit(1, 0.25),
    "DELETE /channels/*/messages/*/reactions/*/@me": RateLimit(1, 0.25),
    "POST /channels/*/typing": RateLimit(5, 5.0),
}


@dataclass
class DiscordRules:
    """Every time in it is of the world's clock. Only heartbeats and rate limits are real seconds."""

    token: str = TOKEN
    privileged: int = MESSAGE_CONTENT  # the intents switched on in the developer portal
    interactions_endpoint: str | None = None  # a web address that gets all interactions instead of the gateway
    sharding_required: bool = False
    sessions_a_day: int = 1000
    identify_every: float = 0.0  # seconds; Discord's own is 5
    heartbeat: float = 41.25
    late_heartbeat: float = 1.5  # times the interval, then the connection is closed
    session_life: float = 180.0  # how long a session without a connection can be resumed
    replay_limit: int = 10_000  # events kept for that
    nonce_life: float = 300.0
    answer_deadline: float = 3.0
    token_life: float = 900.0
    # What a token past its life gets; where nothing was answered in time it is 404 with 10015.
    expired_token: tuple[int, int, str] = (401, 50027, "Invalid Webhook Token")
    link_life: float = 86_400.0  # of an attachment's URL
    limits: dict[str, RateLimit] = field(default_factory=dict)  # by route, as in REAL_LIMITS
    other_limit: RateLimit = field(default_factory=lambda: RateLimit(50, 1.0))
    blocked_words: tuple[str, ...] = ()  # by AutoMod, in what bots say too
    global_limit: RateLimit | None = None  # Discord's own is 50 in a second
