"""Alerts become incidents: first news at once, repeats folded, groups and floods as one, the worse mutes the lesser."""

import json
from collections.abc import Collection

from teamsup.hub import MessageHub
from teamsup.hub.clock import moment, to_text

from . import incident
from .alert import Alert, SignOfLife
from .conversation import Conversation, Conversations
from .incident import FIRING, RESOLVED, Incident
from .ladder import LONGEST_SECONDS
from .routes import Routes, Way

_AGAIN_SECONDS = 60.0  # between two messages that tell what has joined
_FLOOD_SECONDS = 5.0  # how long a flood is gathered before it is told
_RATE_SECONDS = 60.0
_OFTEN, _OFTEN_SECONDS = 6, 3600.0  # how often and in which time counts for what comes and goes
_LATE_SECONDS = 20.0  # in which news may overtake each other
_AHEAD_SECONDS = 3600.0  # that the clock of a source may be before ours


class Taking:
    """One delivery of a source, inside of its transaction."""

    def __init__(self, hub: MessageHub, routes: Routes, conversations: Conversations, source: str, now: float) -> None:
        self._hub = hub
        self._routes = routes
        self._conversations = conversations
        self._source = source
        self.now = now
        self._at = to_text(now)
        self._known: Collection[str] | None = None
        self.touched: dict[int, float] = {}
        """Which conversations have news, and when each is to be told."""
        self.may_be_over: dict[int, None] = {}
        self.tests: list[int] = []

    def take(self, item: Alert | SignOfLife) -> None:
        if isinstance(item, SignOfLife):
            self._hub.change(
                "INSERT OR REPLACE INTO signs_of_life VALUES (?, ?, ?, ?)",
                (self._source, item.key, item.title, self._at),
            )
            return
        found = incident.latest(self._hub, self._source, item.key)
        if item.is_firing:
            if found is not None and found.is_open:
                self._repeat(found, item)
            elif found is None or _comes_back(found, item, self.now):
                self._begin(item, found)
        elif found is None:
            # Its beginning may still be on the way, and must not be taken for news then.
            self._insert(item, RESOLVED)
        elif found.is_open and not _is_older(found, item):
            self._end(found, item)

    def _repeat(self, found: Incident, alert: Alert) -> None:
        self._hub.change(
            "UPDATE incidents SET count = count + 1, last_seen = ?, stale_at = NULL, title = ?, text = ?, severity = ?,"
            " began_at = coalesce(?, began_at) WHERE id = ?",
            (self._at, alert.title, alert.text, alert.severity, self._moment(alert), found.id),
        )
        if incident.how_bad(alert.severity) < incident.how_bad(found.severity):
            self._hub.change(
                "UPDATE incidents SET state = ?, muted_by = NULL, acknowledged_by = NULL, acknowledged_at = NULL"
                " WHERE id = ?",
                (FIRING, found.id),
            )
            self._mute(alert, found.id)
            self._news(found.first, self.now)
        elif alert.severity != "critical":
            self._unmute(found)

    def _begin(self, alert: Alert, before: Incident | None) -> None:
        """``before``: the same, which was over."""
        number = self._insert(alert, FIRING)
        if alert.is_test:
            self._hub.change("UPDATE incidents SET first = ? WHERE id = ?", (number, number))
            self._conversations.begin(number, self._source, "", self._way(alert), self.now)
            self._news(number, self.now)
            self.tests.append(number)
            return
        worse = [each for each in self._about(alert, number) if each.severity == "critical"]
        if worse and alert.severity != "critical":
            self._hub.change(
                "UPDATE incidents SET muted_by = ?, first = ? WHERE id = ?", (worse[0].id, worse[0].first, number)
            )
            return
        first, due = self._place(alert, number, before)
        self._hub.change("UPDATE incidents SET first = ? WHERE id = ?", (first, number))
        self._mute(alert, number)
        self._news(first, due)

    def _place(self, alert: Alert, number: int, before: Incident | None) -> tuple[int, float]:
        """In which conversation it is told, and when."""
        group = self._conversations.named(self._source, alert.group) if alert.group else None
        if group is not None:
            return group.first, self._due(group, alert)
        last = self._told_before(alert, before)
        if last is not None and last.told_at is not None and (due := self._due_again(last, alert)) > self.now:
            self._conversations.begin(number, self._source, alert.group, self._way(alert), self.now)
            self._conversations.change(number, told_at=last.told_at)
            return number, due
        is_flood = self._is_flood()
        self._hub.change("UPDATE incidents SET begins = 1 WHERE id = ?", (number,))
        way = self._way(alert)
        if not is_flood:
            self._conversations.begin(number, self._source, alert.group, way, self.now)
            return number, self.now
        name = "flood " + json.dumps(way.agents)
        flood = self._conversations.named(self._source, name, is_flood=True)
        if flood is None:
            self._conversations.begin(number, self._source, name, way, self.now, is_flood=True)
            self._gather(number, way)
            return number, self.now + _FLOOD_SECONDS
        return flood.first, self._due(flood, alert)

    def _due(self, conversation: Conversation, alert: Alert) -> float:
        """Something joins: told at once the first time, and what is worse than all before; else in a while."""
        if conversation.told_at is None:
            return conversation.news_due or self.now
        is_worse = alert.severity == "critical" and not incident.has_critical(self._hub, conversation.first)
        due = self.now if is_worse else max(self.now, conversation.told_at + _AGAIN_SECONDS)
        return min(due, conversation.news_due or due)

    def _told_before(self, alert: Alert, before: Incident | None) -> Conversation | None:
        """Where the same was told last, and is over."""
        if alert.group:
            return self._conversations.last_named(self._source, alert.group)
        return None if before is None else self._conversations.get(before.first)

    def _due_again(self, last: Conversation, alert: Alert) -> float:
        """What comes and goes is told the more seldom the more often it comes, unless it is worse than before."""
        if last.told_at is None or (alert.severity == "critical" and not incident.was_critical(self._hub, last.first)):
            return self.now
        if last.told_at > self.now:  # the clock was set back
            return self.now
        hour = to_text(self.now - _OFTEN_SECONDS)
        if alert.group:
            often = self._conversations.begun_since(self._source, alert.group, hour, _OFTEN)
        else:
            often = incident.begun_since(self._hub, self._source, alert.key, hour, _OFTEN + 1) - 1
        return last.told_at + min(LONGEST_SECONDS, _AGAIN_SECONDS * (often - 1))

    def _is_flood(self) -> bool:
        limit = self._routes.section.flood_per_minute
        rows = self._hub.rows(
            "SELECT count(*) FROM (SELECT 1 FROM incidents WHERE source = ? AND begins = 1 AND first_seen > ? LIMIT ?)",
            (self._source, to_text(self.now - _RATE_SECONDS), limit),
        )
        return int(rows[0][0]) >= limit

    def _gather(self, flood: int, way: Way) -> None:
        """What the flood began with belongs to it, as far as nobody has read it yet."""
        rows = self._hub.rows(
            "SELECT first FROM incident_conversations WHERE source = ? AND is_flood = 0 AND ended_at IS NULL"
            " AND agents = ? AND acted_at IS NULL AND since > ?",
            (self._source, json.dumps(way.agents), to_text(self.now - _RATE_SECONDS)),
        )
        for row in rows:
            if self._conversations.withdraw(row["first"]):
                continue
            self._hub.change("UPDATE incidents SET first = ? WHERE first = ?", (flood, row["first"]))
            self._conversations.goes_on_in(row["first"], flood, self.now)

    def _mute(self, alert: Alert, number: int) -> None:
        """What is critical mutes the lesser of the same thing, which go on in its conversation."""
        if alert.severity != "critical":
            return
        (row,) = self._hub.rows("SELECT first FROM incidents WHERE id = ?", (number,))
        for lesser in self._about(alert, number):
            if lesser.severity == "critical":
                continue
            self._hub.change(
                "UPDATE incidents SET muted_by = ?, first = ? WHERE id = ?", (number, row["first"], lesser.id)
            )
            if lesser.first != row["first"] and incident.is_over(self._hub, lesser.first):
                self._conversations.withdraw(lesser.first)
                self._conversations.goes_on_in(lesser.first, row["first"], self.now)

    def _end(self, found: Incident, alert: Alert) -> None:
        self._hub.change(
            "UPDATE incidents SET state = ?, ended_at = ?, last_seen = CASE WHEN ? THEN last_seen ELSE ? END,"
            " stale_at = CASE WHEN ? THEN ? END, muted_by = NULL WHERE id = ?",
            (
                RESOLVED,
                self._moment(alert) or self._at,
                alert.is_given_up,
                self._at,
                alert.is_given_up,
                self._at,
                found.id,
            ),
        )
        self._unmute(found)
        self.may_be_over[found.first] = None

    def _unmute(self, found: Incident) -> None:
        """What this one has muted is news now."""
        if self._hub.change("UPDATE incidents SET muted_by = NULL WHERE muted_by = ?", (found.id,)):
            self._news(found.first, self.now)

    def _news(self, first: int, due: float) -> None:
        self._conversations.change(first, news_due=due)
        self.touched[first] = min(due, self.touched.get(first, due))

    def _insert(self, alert: Alert, state: str) -> int:
        """A new row; its number."""
        began = self._moment(alert)
        (row,) = self._hub.rows(
            "INSERT INTO incidents (source, key, thing, severity, title, text, labels, link, is_test, state, count,"
            " first_seen, last_seen, began_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (
                self._source,
                alert.key,
                alert.thing,
                alert.severity,
                alert.title,
                alert.text,
                json.dumps(dict(alert.labels), ensure_ascii=False),
                alert.link,
                alert.is_test,
                state,
                int(state == FIRING),
                self._at,
                self._at,
                began if state == FIRING else None,
                None if state == FIRING else began or self._at,
            ),
        )
        return int(row["id"])

    def _moment(self, alert: Alert) -> str | None:
        """When it began or ended by its source. What is far ahead is no time: nothing could come after it."""
        if alert.at is None or alert.at.timestamp() > self.now + _AHEAD_SECONDS:
            return None
        return to_text(alert.at.timestamp())

    def _about(self, alert: Alert, number: int) -> list[Incident]:
        """What else is open about the same thing."""
        found = incident.of_thing(self._hub, self._source, alert.thing)
        return [each for each in found if each.id != number and not each.is_test]

    def _way(self, alert: Alert) -> Way:
        if self._known is None:
            self._known = {agent.name for agent in self._hub.agents()}
        return self._routes.way(alert, self._known)


def _comes_back(over: Incident, alert: Alert, now: float) -> bool:
    """Whether it is the same problem once more, and not old news that come late."""
    # What ended by our clock says nothing about the source's.
    is_by_us = over.ended_at == over.last_seen and over.began_at is not None
    before = over.began_at if is_by_us else over.ended_at
    at = None if alert.at is None else moment(alert.at.timestamp())
    is_later = alert.key_returns if at is None or before is None else at > before
    if is_later or alert.key_returns:
        return is_later
    # It may go on from the same time: a person has ended it, or an Alertmanager that Prometheus could not reach.
    return over.last_seen is None or abs(now - over.last_seen.timestamp()) > _LATE_SECONDS


def _is_older(found: Incident, alert: Alert) -> bool:
    """Whether this end is that of an earlier time."""
    if alert.at is None or found.began_at is None:
        return False
    return moment(alert.at.timestamp()) < found.began_at
