"""Former names of sections and keys of teamsup.toml. An old file is refused with the new names."""

_SECTIONS = {"alert": "alert_route", "route": "message_route"}
_KEYS = {
    ("team", "told_of_deaths"): "notify_on_crash",
    ("user_comm", "stand_ins"): "fallback_agents",
    ("user_comm", "give_up_seconds"): "answer_timeout_seconds",
    ("monitor-bridge", "act_seconds"): "ack_timeout_seconds",
    ("monitor-bridge", "deaf_seconds"): "unread_alert_seconds",
    ("monitor-bridge", "stale_seconds"): "heartbeat_timeout_seconds",
    ("monitor-bridge", "ping"): "mention",
    ("monitor-bridge", "flood_per_minute"): "storm_per_minute",
    ("monitor-bridge", "samples"): "confirmations",
    ("alert_route", "act_seconds"): "ack_timeout_seconds",
}


def describe_renamed_section(name: str) -> str | None:
    """Return a sentence for a section that has another name now, or None."""
    new = _SECTIONS.get(name)
    return None if new is None else f"[{name}.NAME] is called [{new}.NAME] now."


def describe_renamed_key(section: str, key: str) -> str | None:
    """Return a sentence for a renamed key of a section, such as "team" or "alert_route.shop", or None."""
    new = _KEYS.get((section.partition(".")[0], key))
    return None if new is None else f"[{section}] {key} is called {new} now."
