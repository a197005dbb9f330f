"""The list and the page of each kind of entry, such as incidents, and the actions of people on one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from teamsup.config.entries import ActionRejected, Entry, EntryAction, EntrySource
from teamsup.hub import CallerError

from ..access.request_check import is_local_path
from ..page import Form, Outcome, Page, PageContext, Region, RenderedRegion
from .confirmation import ActionQuestion, ask_page
from .page_content import FilterLink, content_of, filter_links, navigation, now_of, reader_of, render_page, with_query
from .rendering import render
from .views.dead_letters import KIND as DEAD_LETTER

ROWS_A_PAGE = 50


class UnknownEntry(CallerError):
    """No entry has this number."""


@dataclass(frozen=True, slots=True)
class SourcePages:
    """The pages of one source of entries."""

    source: EntrySource

    @property
    def section(self) -> str:
        return self.source.address.strip("/")

    @property
    def pages(self) -> tuple[Page, ...]:
        """The list, an entry, and the page that asks before an action."""
        address, head = self.source.address, navigation(self.section)
        return (
            Page(address, self._render_list, (head, Region("entries", self._show_list))),
            Page(f"{address}/{{id}}", self._render_entry, (head, Region("entry", self._show_entry))),
            ask_page(f"{address}/{{id}}/{{action}}", self.section, self._ask),
        )

    @property
    def forms(self) -> tuple[Form, ...]:
        return (Form(f"{self.source.address}/{{id}}/{{action}}", self._act),)

    def _show_list(self, context: PageContext) -> str:
        source, query = self.source, context.query
        chosen = {name: query.get(name) or values[0] for name, values in source.filters.items() if values}
        typed = {name: query[name] for name, values in source.filters.items() if not values and query.get(name)}
        before, now = query.get("before"), now_of(context)
        rows = list(source.rows(context.hub, {**typed, **chosen}, before, ROWS_A_PAGE + 1, now))
        has_more, rows = len(rows) > ROWS_A_PAGE, rows[:ROWS_A_PAGE]
        return render(
            "entry_rows.html",
            now,
            viewer=context.viewer,
            source=source,
            rows=rows,
            filters=self._filters(query),
            has_words="words" in source.filters,
            kept={name: value for name, value in query.items() if name in chosen},
            words=query.get("words", ""),
            is_selectable=source.kind == DEAD_LETTER,
            older=with_query(source.address, query, before=rows[-1].id) if has_more else "",
            newest=with_query(source.address, query, before="") if before else "",
        )

    def _filters(self, query: Mapping[str, str]) -> list[tuple[str, list[FilterLink]]]:
        return [
            (name, filter_links(self.source.address, query, name, values))
            for name, values in self.source.filters.items()
            if values
        ]

    def _render_list(self, context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
        head = content_of(context, self.section, self.source.title, self.source.address)
        return render_page(context, "entries.html", head, regions, source=self.source)

    def _find(self, context: PageContext) -> Entry:
        found = self.source.entry(context.hub, context.path["id"], now_of(context))
        if found is None:
            raise UnknownEntry(f"There is no {self.source.kind.replace('-', ' ')} {context.path['id']!r} any more.")
        return found

    def _show_entry(self, context: PageContext) -> str:
        entry = self._find(context)
        # Without a message there is no such page.
        messages = context.hub.queries.find(conversation=entry.conversation, limit=1) if entry.conversation else ()
        past = [index for index, event in enumerate(entry.timeline) if not event.is_future]
        return render(
            "entry_facts.html",
            now_of(context),
            viewer=context.viewer,
            entry=entry,
            conversation=entry.conversation if messages else None,
            address=self._address_of(entry.id),
            last_past=past[-1] if past else -1,
        )

    def _render_entry(self, context: PageContext, regions: Mapping[str, RenderedRegion]) -> str:
        entry = self._find(context)
        head = content_of(context, self.section, f"{entry.label}: {entry.title}", self._address_of(entry.id))
        return render_page(context, "entry.html", head, regions, source=self.source)

    def _find_action(self, context: PageContext) -> tuple[Entry, EntryAction]:
        entry = self._find(context)
        for action in entry.actions:
            if action.name == context.path["action"]:
                return entry, action
        raise ActionRejected(f"{entry.label} is {entry.state.word} now, so this is no longer possible.")

    def _ask(self, context: PageContext) -> ActionQuestion:
        entry, action = self._find_action(context)
        verb, what = action.label.rstrip("…"), f"{entry.label[:1].lower()}{entry.label[1:]}"
        return ActionQuestion(
            section=self.section,
            title=f"{verb}{':' if ' ' in verb else ''} {what}?",
            consequences=(action.asks_first,),
            address=f"{self._address_of(entry.id)}/{action.name}",
            button=verb if " " in verb else f"{verb} {what}",
            back=self._address_of(entry.id),
            quoted=entry.title,
            text_label=action.needs_text,
            version=entry.version,
            is_grave=not action.is_main and bool(action.asks_first),
        )

    def _act(self, context: PageContext, fields: Mapping[str, str]) -> Outcome:
        sentence = self.source.act(
            context.hub,
            context.path["id"],
            context.path["action"],
            fields.get("version", ""),
            reader_of(context.viewer),
            fields.get("text", "").strip(),
        )
        return Outcome(self._address_after(context, fields.get("back", ""), now_of(context)), sentence)

    def _address_after(self, context: PageContext, back: str, now: datetime) -> str:
        """Return the previous page of the person, or the list if the entry is gone."""
        own = self._address_of(context.path["id"])
        if not is_local_path(back) or (back == own and self.source.entry(context.hub, context.path["id"], now) is None):
            return self.source.address
        return back

    def _address_of(self, entry_id: str) -> str:
        return f"{self.source.address}/{entry_id}"
