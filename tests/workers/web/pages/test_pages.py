"""Every page: hostile text stays text, forms have a token, and those who may only read get no button."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser

import pytest

from teamsup.config.components import installed_components
from teamsup.config.entries import ActionRejected
from teamsup.hub import CallerError, Message, MessageHub, Team
from teamsup.hub.models import MAX_ATTEMPTS
from teamsup.workers.web.access.sessions import create_link, list_sessions, redeem_link
from teamsup.workers.web.page import Form, Page, PageContext, Viewer
from teamsup.workers.web.pages import FORMS, PAGES
from teamsup.workers.web.pages.plain_pages import render_error, render_sign_in

Join = Callable[..., MessageHub]
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}"
HOSTILE_ID = HOSTILE.replace("\u202e", "/")
WRITER, READER = Viewer("ann", True, "tok"), Viewer("ben", False, "tok")
CONVERSATION = "console-ann:web-1"
VOID = ("meta", "link", "input", "br", "img")


class Markup(HTMLParser):
    """What a browser would see: elements with their attributes, and how they are nested."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def hub(team: Team, join: Join) -> Iterator[MessageHub]:
    """A team in which every text is hostile."""
    ann, lead, user_comm = join("console-ann"), join("lead"), join("user_comm")
    ann.register("console")
    lead.register("agent", note=HOSTILE)
    lead.heartbeat("degraded", note=HOSTILE)
    user_comm.register("daemon", note=HOSTILE)
    ann.send("user_comm", HOSTILE, conversation_id=CONVERSATION)
    lead.send("console-ann", HOSTILE, conversation_id=CONVERSATION, metadata={"author_name": HOSTILE})
    lead.send("lead", HOSTILE, conversation_id=HOSTILE_ID, message_type="status_report")
    ann.send("lead", HOSTILE, conversation_id="dead")
    (delivery,) = [each for each in lead.claim(5) if each.message.conversation_id == "dead"]
    for _ in range(MAX_ATTEMPTS):
        lead.release(delivery, error=HOSTILE, delay=0)
        if lead.queries.count_dead_letters():
            break
        (delivery,) = [each for each in lead.claim(5) if each.message.conversation_id == "dead"]
    team.logs.mkdir(parents=True, exist_ok=True)
    (team.logs / "web.log").write_text(f"2026-03-04 12:00:00.100 ERROR {HOSTILE}\n", "utf-8")
    with MessageHub(team) as reading:
        for component in installed_components().values():
            if component.tables is not None:
                reading.maintenance.use_component(component.tables)
        yield reading


def context_of(
    hub: MessageHub, viewer: Viewer = WRITER, query: Mapping[str, str] | None = None, **path: str
) -> PageContext:
    return PageContext(hub, hub.team, viewer, path, query or {}, time.time())


def page_at(route: str) -> Page:
    return next(page for page in PAGES if page.route == route)


def form_at(route: str) -> Form:
    return next(form for form in FORMS if form.route == route)


def dead_letter(hub: MessageHub) -> str:
    return f"{hub.queries.dead_letters()[0].message.id}-lead"


def shown_pages(hub: MessageHub, viewer: Viewer) -> Iterator[tuple[str, str]]:
    """Yield each page that this team can show, with its route."""
    letter = dead_letter(hub)
    places: dict[str, list[dict[str, str]]] = {
        "/team/{name}": [{"name": "lead"}],
        "/conversations/{id}": [{"id": CONVERSATION}, {"id": HOSTILE_ID}],
        "/dead-letters/{id}": [{"id": letter}],
        "/dead-letters/{id}/{action}": [{"id": letter, "action": "drop"}],
    }
    query = {"q": HOSTILE, "words": "", f"letter-{letter}": "", "verb": "drop"}
    for page in PAGES:
        for path in [{}] if "{" not in page.route else places.get(page.route, []):
            yield page.route, page.show(context_of(hub, viewer, query, **path))


def test_hostile_text_stays_text_on_every_page(hub: MessageHub) -> None:
    routes = set()
    for route, html in shown_pages(hub, WRITER):
        routes.add(route)
        markup = Markup(html)
        assert markup.open == [], route
        assert [each for each in markup.all("script") if "src" not in each] == [], route
        assert markup.all("img") == [], route
        assert "\u202e" not in html, route
    assert {"/", "/messages", "/search", "/logs", "/dead-letters", "/conversations", "/incidents"} <= routes


def test_no_page_has_anything_that_the_policy_forbids_or_an_id_twice(hub: MessageHub) -> None:
    for route, html in shown_pages(hub, WRITER):
        markup = Markup(html)
        for tag, attributes in markup.elements:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], (route, tag)
            assert not (attributes.get("href") or "").lower().startswith("javascript:"), (route, tag)
            assert tag != "style", route
        twice = [name for name, count in Counter(each.get("id") for _, each in markup.elements).items() if count > 1]
        assert [name for name in twice if name] == [], route


def test_every_form_that_changes_something_has_the_token(hub: MessageHub) -> None:
    for route, html in shown_pages(hub, WRITER):
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.DOTALL)
        assert forms, route
        assert all('name="token" value="tok"' in form for form in forms), route


def test_one_who_may_only_read_gets_no_button_but_for_their_own_browsers(hub: MessageHub) -> None:
    own = {"/sign-out", "/sessions/end", "/sessions/end-all"}
    for route, html in shown_pages(hub, READER):
        actions = re.findall(r"<form[^>]*method=\"post\"[^>]*action=\"([^\"]*)\"", html)
        assert {each for each in actions if not each.endswith("/shown")} <= own, route
        assert "/sign-out" in actions, route


def test_a_table_says_its_roles_because_a_phone_shows_it_as_blocks(hub: MessageHub) -> None:
    for route, html in shown_pages(hub, WRITER):
        markup = Markup(html)
        for tag, role in (("table", "table"), ("tr", "row"), ("td", "cell")):
            assert {each.get("role") for each in markup.all(tag)} <= {role}, (route, tag)


def test_each_page_has_one_heading_of_the_first_level_and_one_search(hub: MessageHub) -> None:
    for route, html in shown_pages(hub, WRITER):
        markup = Markup(html)
        assert len(markup.all("h1")) == 1, route
        assert [each.get("role") for each in markup.all("form")].count("search") == 1, route


def test_each_control_has_a_name(hub: MessageHub) -> None:
    for route, html in shown_pages(hub, WRITER):
        for tag in ("input", "textarea", "select"):
            for each in Markup(html).all(tag):
                assert each.get("type") == "hidden" or each.get("aria-label"), (route, tag, each)


def test_the_pages_of_nobody_are_escaped_too() -> None:
    for html in (render_sign_in(HOSTILE, HOSTILE, HOSTILE), render_error(HOSTILE, HOSTILE)):
        assert [each for each in Markup(html).all("script") if "src" not in each] == []


def test_a_message_stays_new_until_the_page_says_that_it_is_on_the_screen(hub: MessageHub) -> None:
    def unread() -> int:
        found = hub.find_agent("console-ann")
        return -1 if found is None else found.unread

    page, form, before = page_at("/conversations/{id}"), form_at("/conversations/{id}/shown"), unread()
    html = page.show(context_of(hub, WRITER, id=CONVERSATION))
    assert (unread(), html.count('class="new-line"')) == (before, 1), "a link that is fetched changes nothing"
    assert "new-line" not in page.show(context_of(hub, READER, id=CONVERSATION)), "it is not to ben"

    (newest,) = {each["value"] or "" for each in Markup(html).all("input") if each.get("name") == "newest"}
    form.submit(context_of(hub, READER, id=CONVERSATION), {"newest": newest})
    assert unread() == before, "it was not shown to ann"
    form.submit(context_of(hub, WRITER, id=CONVERSATION), {"newest": "1"})
    assert unread() == before, "an earlier one was shown"
    form.submit(context_of(hub, WRITER, id=CONVERSATION), {"newest": newest})
    assert unread() == before - 1
    assert "new-line" not in page.show(context_of(hub, WRITER, id=CONVERSATION))


def test_older_messages_stand_on_pages_of_their_own(hub: MessageHub, join: Join) -> None:
    lead = join("lead")
    sent = [lead.send("lead", f"line {number}", conversation_id="long") for number in range(120)]
    page = page_at("/conversations/{id}")

    newest = page.show(context_of(hub, id="long"))
    older = page.show(context_of(hub, query={"before": str(sent[70].id)}, id="long"))

    assert "Earlier: 70 messages since" in newest
    assert f'id="m{sent[119].id}"' in newest
    assert f'id="m{sent[69].id}"' not in newest
    assert "Earlier: 20 messages since" in older
    assert f'id="m{sent[20].id}"' in older


@pytest.mark.parametrize("before", ["9" * 19, "9" * 5000, "\u0663", "-1", "x"])
@pytest.mark.parametrize("address", ["/conversations", "/conversations/{id}", "/messages"])
def test_a_position_that_is_not_a_number_of_a_row_shows_the_newest(
    hub: MessageHub, join: Join, address: str, before: str
) -> None:
    join("lead").send("lead", "the newest line", conversation_id="long")
    assert "the newest line" in page_at(address).show(context_of(hub, query={"before": before}, id="long"))


def test_a_person_writes_as_in_a_terminal(hub: MessageHub) -> None:
    outcome = form_at("/conversations").submit(context_of(hub), {"content": " hello "})
    conversation, _, number = outcome.address.removeprefix("/conversations/").partition("#m")
    sent: Message = hub.queries.message(f"#{number}")
    assert (sent.sender, sent.recipient, sent.content) == ("console-ann", "user_comm", "hello")
    assert conversation.startswith("console-ann%3Aweb-")
    with pytest.raises(CallerError, match="no text"):
        form_at("/conversations").submit(context_of(hub), {"content": " "})


def test_a_dead_letter_is_retried_or_dropped_once(hub: MessageHub) -> None:
    letter, drop = dead_letter(hub), form_at("/dead-letters/{id}/{action}").submit
    outcome = drop(context_of(hub, id=letter, action="drop"), {"back": f"/dead-letters/{letter}"})
    assert (outcome.address, hub.queries.count_dead_letters()) == ("/dead-letters", 0)
    (state,) = hub.queries.trace(f"#{letter.partition('-')[0]}")
    assert (state.state, state.outcome) == ("cancelled", "dropped by ann")
    with pytest.raises(ActionRejected, match="not a dead letter any more"):
        drop(context_of(hub, id=letter, action="retry"), {})


def test_a_dead_letter_that_has_failed_again_is_not_dropped_by_an_old_page(hub: MessageHub) -> None:
    with pytest.raises(ActionRejected, match="failed again"):
        form_at("/dead-letters/{id}/{action}").submit(
            context_of(hub, id=dead_letter(hub), action="drop"), {"version": "2020-01-01"}
        )
    assert hub.queries.count_dead_letters() == 1


def test_several_dead_letters_are_retried_at_once(hub: MessageHub) -> None:
    letter = dead_letter(hub)
    fields = {f"letter-{letter}": "", "letter-99-nobody": "", "verb": "retry"}
    outcome = form_at("/dead-letters/chosen").submit(context_of(hub), fields)
    assert outcome.sentence.startswith("1 retried. 99-nobody: This is not a dead letter any more")
    assert hub.queries.count_dead_letters() == 0


def test_a_form_returns_to_no_other_server(hub: MessageHub) -> None:
    outcome = form_at("/dead-letters/{id}/{action}").submit(
        context_of(hub, id=dead_letter(hub), action="retry"), {"back": "//evil.example"}
    )
    assert outcome.address == "/dead-letters"


def test_a_person_ends_their_own_browsers_and_one_who_may_act_those_of_all(hub: MessageHub) -> None:
    sessions = {}
    for person in ("ann", "ben"):
        sessions[person] = redeem_link(
            hub, create_link(hub, person, time.time()), time.time(), f"{HOSTILE} of {person}"
        )
    ids = {person: session.id for person, session in sessions.items() if session is not None}
    end = form_at("/sessions/end")
    assert "of ann" not in page_at("/sessions").show(context_of(hub, READER))
    with pytest.raises(CallerError, match="not signed in any more"):
        end.submit(context_of(hub, READER), {"session": ids["ann"]})
    assert "of ben" in page_at("/sessions").show(context_of(hub, WRITER))
    end.submit(context_of(hub, WRITER), {"session": ids["ben"]})
    assert form_at("/sessions/end-all").submit(context_of(hub, WRITER), {}).address == "/sign-in"
    assert list_sessions(hub, time.time()) == []
