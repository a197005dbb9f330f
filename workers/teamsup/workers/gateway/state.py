"""Small values that survive the gateway, each by its name. Blocks, and raises StoreError."""

from teamsup.hub import MessageHub


def get_state(hub: MessageHub, name: str) -> str | None:
    """None: nobody has noted it yet."""
    rows = hub.query("SELECT value FROM discord_state WHERE name = ?", (name,))
    return str(rows[0]["value"]) if rows else None


def set_state(hub: MessageHub, name: str, value: str) -> None:
    """From now on, whatever was noted before."""
    hub.execute("INSERT OR REPLACE INTO discord_state (name, value) VALUES (?, ?)", (name, value))


def set_state_once(hub: MessageHub, name: str, value: str) -> str:
    """What is noted, which is that unless somebody was quicker."""
    hub.execute("INSERT INTO discord_state (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
    return get_state(hub, name) or value
