"""Conversations: the list, the page of a conversation with a place to write, and all messages of an agent."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from teamsup.config.entries import Age, Text, parse_number
from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Agent, CallerError, Message
from teamsup.terminal.console import person_name
from teamsup.terminal.formatting import to_single_line

from ..page import Form, Outcome, Page, PageContext, Region, RenderedRegion
from .page_content import (
    address_of,
    agents_of,
    content_of,
    filter_links,
    members_of,
    navigation,
    now_of,
    reader_of,
    render_page,
    with_query,
)
from .rendering import render
from .views.message_views import MessageView, author_of, find_first_new, newest_progress, open_deliveries, view_messages
from .views.participants import TeamMember
from .worker_requests import open_as_viewer

MESSAGES_A_PAGE = 50
CONVERSATIONS_A_PAGE = 40
SHOWN = ("all", "people", "agents", "incidents")
_PEOPLE, _INCIDENTS = ("console-", "discord:"), ("incident:",)
_SECTION = "conversations"
_LAST_CHARACTERS = 120
_MORE = 3
"""A page reads this many messages for each message that it shows, because copies are folded into their sources."""


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation in the list."""

    id: str
    title: str
    icon: str
    last: str
    at: datetime | None
    unread: int
    number: int


@dataclass(frozen=True, slots=True)
class Person:
    """A person in a conversation. People do not send heartbeats, so a page shows the time of their last message
    instead.
    """

    name: str
    wrote_at: datetime | None
    participant: TeamMember | None


def title_of(conversation: str) -> str:
    """Return the title of a conversation for people. Pure."""
    owner, _, rest = conversation.partition(":")
    if conversation.startswith(_INCIDENTS):
        return f"Incident {rest}"
    if owner == "discord":
        return f"Discord, channel {rest}"
    if owner.startswith("console-"):
        return f"{person_name(owner)}, {'web' if rest.startswith('web-') else 'terminal'}"
    return conversation


def icon_of(conversation: str) -> str:
    if conversation.startswith(_INCIDENTS):
        return "paged"
    return "words" if conversation.startswith(_PEOPLE) else "notified"


def _read_list(context: PageContext) -> list[ListedConversation]:
    shown = context.query.get("show") or SHOWN[0]
    prefixes = {"people": _PEOPLE, "incidents": _INCIDENTS}.get(shown, ())
    without = (*_PEOPLE, *_INCIDENTS) if shown == "agents" else ()
    before = context.query.get("older", "")
    found = context.hub.queries.conversations(
        reader_of(context.viewer),
        prefixes=prefixes,
        without=without,
        before=parse_number(before),
        limit=CONVERSATIONS_A_PAGE,
    )
    agents = agents_of(context)
    return [
        ListedConversation(
            id=each.id,
            title=title_of(each.id),
            icon=icon_of(each.id),
            last=f"{author_of(each.last, agents)[0]}: {to_single_line(each.last.content, _LAST_CHARACTERS)}",
            at=each.last.created_at,
            unread=each.unread,
            number=each.last.id,
        )
        for each in found
    ]


def _show_list(context: PageContext) -> str:
    listed, current = _read_list(context), context.path.get("id", "")
    path = address_of("conversations", current) if current else "/conversations"
    kept = {"show": context.query.get("show", "")}
    reader = agents_of(context).get(reader_of(context.viewer))
    elsewhere = (reader.unread if reader else 0) - sum(each.unread for each in listed)
    has_more = len(listed) == CONVERSATIONS_A_PAGE
    return render(
        "conversation_list.html",
        now_of(context),
        viewer=context.viewer,
        listed=listed,
        current=current,
        query=with_query("", kept),
        filters=filter_links(path, kept, "show", SHOWN),
        older=with_query(path, kept, older=str(listed[-1].number)) if has_more else "",
        elsewhere=max(0, elsewhere),
        reader=reader_of(context.viewer),
    )


def _render_list(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    head = content_of(context, _SECTION, "Conversations", "/conversations")
    return render_page(context, "conversations.html", head, regions)


def is_whole(context: PageContext) -> bool:
    """Return whether the page shows every message, including copies and progress."""
    return context.query.get("messages") == "all"


def _read_messages(context: PageContext) -> tuple[list[Message], int, datetime | None]:
    """Return the newest messages of the conversation, or the messages before a given message. Also return the number of
    earlier messages.
    """
    conversation, before = context.path["id"], context.query.get("before", "")
    position = parse_number(before)
    limit = MESSAGES_A_PAGE * _MORE
    messages = context.hub.queries.find(conversation=conversation, before=position, limit=limit)
    if not messages and position is None:
        raise CallerError(f"There is no conversation {conversation!r}, or its messages were removed.")
    return messages[-limit:], *_count_earlier(context, messages)


def _count_earlier(context: PageContext, messages: Sequence[Message]) -> tuple[int, datetime | None]:
    if not messages:
        return 0, None
    return context.hub.queries.count_earlier(context.path["id"], messages[0].id)


def _show_messages(context: PageContext) -> str:
    messages, earlier, since = _read_messages(context)
    path = address_of("conversations", context.path["id"])
    views = _view(context, messages, folds=not is_whole(context))
    cut = views[-MESSAGES_A_PAGE:]
    if len(views) > len(cut):
        earlier, since = context.hub.queries.count_earlier(context.path["id"], cut[0].id)
    return render(
        "messages.html",
        now_of(context),
        messages=cut,
        earlier=earlier,
        since=since,
        older=with_query(path, context.query, before=str(cut[0].id)) if earlier else "",
        path=path,
        **_new_of(context, cut, messages, path),
    )


def _new_of(
    context: PageContext, views: Sequence[MessageView], messages: Sequence[Message], path: str
) -> Mapping[str, object]:
    """Return the template's values for the line before new messages, and for the form that ends their deliveries."""
    return {
        "viewer": context.viewer,
        "first_new": find_first_new(views, reader_of(context.viewer)),
        "newest": messages[-1].id if messages else 0,
        "shown_address": f"{path}/shown",
    }


def _view(context: PageContext, messages: Sequence[Message], *, folds: bool = True) -> list[MessageView]:
    states = context.hub.queries.trace_each(message.id for message in messages)
    agents = agents_of(context)
    return view_messages(messages, states, agents, now_of(context), folds=folds)


def _mark_shown(context: PageContext, fields: Mapping[str, str]) -> Outcome:
    """End the viewer's own deliveries up to a message. A script requests it when the messages are on the screen."""
    newest, queries = parse_number(fields.get("newest")), context.hub.queries
    if newest is None:
        raise CallerError("The number of the newest message is missing.")
    most, conversation = MESSAGES_A_PAGE * _MORE, context.path.get("id")
    if conversation is None:
        path = with_query("/messages", {"agent": reader_of(context.viewer)})
        _end_deliveries(context, queries.history(reader_of(context.viewer), limit=most, before=newest + 1))
    else:
        path = address_of("conversations", conversation)
        _end_deliveries(context, queries.find(conversation=conversation, limit=most, before=newest + 1))
    return Outcome(path)


def _end_deliveries(context: PageContext, messages: Sequence[Message]) -> None:
    reader = reader_of(context.viewer)
    to_viewer = [message for message in messages if message.recipient in (reader, None)]
    states = context.hub.queries.trace_each(message.id for message in to_viewer)
    unread = [
        message
        for message in to_viewer
        if any(each.recipient == reader and each.state == "ready" for each in states.get(message.id, ()))
    ]
    if unread:
        with open_as_viewer(context) as hub:
            for message in unread:
                hub.complete_unclaimed(message, outcome="shown")


def _show_progress(context: PageContext) -> str:
    """Return a line for each agent that works on a question here, with its newest report."""
    messages = context.hub.queries.find(conversation=context.path["id"], limit=MESSAGES_A_PAGE)
    reports = newest_progress(messages)
    lines = [
        (delivery.recipient, delivery.state, _evidence_of(reports.get(view.message_id), delivery.evidence))
        for view, delivery in open_deliveries(_view(context, messages))
    ]
    return render("progress.html", now_of(context), lines=lines)


def _evidence_of(report: Message | None, evidence: Text) -> Text:
    if report is None:
        return evidence
    at: Text = () if report.created_at is None else (", ", Age(report.created_at))
    return (to_single_line(report.content, _LAST_CHARACTERS).rstrip("."), *at)


def _show_people(context: PageContext) -> str:
    messages = context.hub.queries.find(conversation=context.path["id"], limit=MESSAGES_A_PAGE)
    status, members = members_of(context)
    described = {each.name: each for each in members}
    people = _find_people(messages, status.agents, described)
    return render("people.html", now_of(context), people=people)


def _find_people(
    messages: Sequence[Message], agents: Mapping[str, Agent], described: Mapping[str, TeamMember]
) -> list[Person]:
    """Return the people and agents that wrote or received messages. The last writer comes first. Pure."""
    found: dict[str, Person] = {}
    for message in reversed(messages):
        name, kind, _ = author_of(message, agents)
        if kind == "person":
            found.setdefault(name, Person(name, message.created_at, None))
        elif message.sender in described:
            found.setdefault(message.sender, Person(message.sender, message.created_at, described[message.sender]))
        if message.recipient in described and message.recipient is not None:
            found.setdefault(message.recipient, Person(message.recipient, None, described[message.recipient]))
    return list(found.values())


def _render_conversation(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    conversation = context.path["id"]
    title = title_of(conversation)
    head = content_of(context, _SECTION, title, address_of("conversations", conversation))
    return render_page(
        context,
        "conversation.html",
        head,
        regions,
        conversation=conversation,
        title=title,
        is_past=bool(context.query.get("before")),
        is_whole=is_whole(context),
        other_view=with_query(
            address_of("conversations", conversation), context.query, messages="" if is_whole(context) else "all"
        ),
    )


def _send(context: PageContext, fields: Mapping[str, str]) -> Outcome:
    """Send a message to the worker that answers people, like a person in a terminal."""
    content = fields.get("content", "").strip()
    if not content:
        raise CallerError("There is no text to send.")
    with open_as_viewer(context) as hub:
        conversation = context.path.get("id") or f"{hub.agent}:web-{os.urandom(4).hex()}"
        hub.enroll(USER_COMM, "daemon")
        sent = hub.send(USER_COMM, content, conversation_id=conversation)
    return Outcome(f"{address_of('conversations', conversation)}#m{sent.id}")


def _show_history(context: PageContext) -> str:
    agent, before = context.query.get("agent") or None, context.query.get("before", "")
    position = parse_number(before)
    messages = context.hub.queries.history(agent, limit=MESSAGES_A_PAGE, before=position)
    views = _view(context, messages, folds=False)
    has_more = len(messages) == MESSAGES_A_PAGE
    return render(
        "messages.html",
        now_of(context),
        messages=views,
        earlier=0,
        since=None,
        older=with_query("/messages", context.query, before=str(messages[0].id)) if has_more else "",
        path="",
        **_new_of(context, views if agent == reader_of(context.viewer) else (), messages, "/messages"),
    )


def _render_history(context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
    agent = context.query.get("agent") or ""
    title = f"Messages of {person_name(agent)}" if agent else "All messages"
    head = content_of(context, _SECTION, title, "/messages")
    names = list(agents_of(context))
    return render_page(context, "history.html", head, regions, agent=agent, names=names, title=title)


_LIST = Region("conversations", _show_list)
CONVERSATION_PAGES = (
    Page("/conversations", _render_list, (navigation(_SECTION), _LIST)),
    Page(
        "/conversations/{id}",
        _render_conversation,
        (
            navigation(_SECTION),
            _LIST,
            Region("messages", _show_messages),
            Region("progress", _show_progress),
            Region("people", _show_people),
        ),
    ),
    Page("/messages", _render_history, (navigation(_SECTION), Region("messages", _show_history))),
)
CONVERSATION_FORMS = (
    Form("/conversations", _send),
    Form("/conversations/{id}", _send),
    Form("/conversations/{id}/shown", _mark_shown, is_for_all=True),
    Form("/messages/shown", _mark_shown, is_for_all=True),
)
