"""Small named values that are kept across restarts of the gateway. Blocks, and raises StoreError."""

from teamsup.hub import MessageHub


def get_state(hub: MessageHub, name: str) -> str | None:
    """Return the value of a name, or None."""
    rows = hub.query("SELECT value FROM discord_state WHERE name = ?", (name,))
    return str(rows[0]["value"]) if rows else None


def set_state(hub: MessageHub, name: str, value: str) -> None:
    """Set the value of a name."""
    hub.execute(
        "INSERT INTO discord_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def set_state_once(hub: MessageHub, name: str, value: str) -> str:
    """Set the value of a name if it does not have one. Return the value."""
    hub.execute("INSERT INTO discord_state (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
    return get_state(hub, name) or value
