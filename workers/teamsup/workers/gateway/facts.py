"""Small facts that outlive the gateway, each by its name. Blocks, and raises StoreError."""

from teamsup.hub import MessageHub


def fact(hub: MessageHub, name: str) -> str | None:
    """None: nobody has noted it yet."""
    rows = hub.rows("SELECT value FROM discord_facts WHERE name = ?", (name,))
    return str(rows[0]["value"]) if rows else None


def note(hub: MessageHub, name: str, value: str) -> None:
    """From now on, whatever was noted before."""
    hub.change("INSERT OR REPLACE INTO discord_facts (name, value) VALUES (?, ?)", (name, value))


def note_first(hub: MessageHub, name: str, value: str) -> str:
    """What is noted, which is that unless somebody was quicker."""
    hub.change("INSERT INTO discord_facts (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
    return fact(hub, name) or value
