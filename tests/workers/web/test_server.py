"""The server of the page, as browsers of friends and of others speak to it."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.note_page import NotePage
from helpers.page_server import PageClient, ServedPages, served_pages
from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.hub import CallerError, MessageHub, StoreError
from teamsup.workers.web.access.authenticator import owner_name
from teamsup.workers.web.access.sessions import create_link
from teamsup.workers.web.access.sign_in_limit import MAX_TRIES
from teamsup.workers.web.page import Form, Outcome, PageContext
from teamsup.workers.web.sections import WebSection
from teamsup.workers.web.server import MAX_FORMS
from teamsup.workers.web.static_files import asset, read_static_files

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def notes() -> NotePage:
    return NotePage({"team": lambda: "<b>all well</b>"})


@pytest.fixture
def served(hub: MessageHub, notes: NotePage) -> Iterator[ServedPages]:
    section = WebSection(operators=("ben",), trusted_hosts=("team.example.com",))
    with served_pages(hub, section, notes.pages, notes.forms) as served:
        yield served


def token_in(html: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', html)
    assert found is not None
    return found[1]


def secret_of(hub: MessageHub, person: str = "ann") -> str:
    return create_link(hub, person, time.time())


@pytest.mark.parametrize("path", ["/", "/notes/1", "/?show=all"])
def test_without_a_session_there_is_only_the_way_to_sign_in(served: ServedPages, path: str) -> None:
    answer = PageClient(served.port).get(path)
    assert answer.status == 401
    assert "all well" not in answer.text
    assert 'action="/sign-in"' in answer.text


@pytest.mark.parametrize("query", ["region=team", "stream=1"])
def test_without_a_session_there_is_no_region_and_no_stream(served: ServedPages, query: str) -> None:
    answer = PageClient(served.port).get(f"/?{query}")
    assert (answer.status, answer.text) == (401, "Sign in first.\n")


def test_a_secret_is_exchanged_for_a_cookie_that_no_script_reads(hub: MessageHub, served: ServedPages) -> None:
    answer = PageClient(served.port).sign_in(secret_of(hub))
    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    name, _, attributes = answer.headers["Set-Cookie"].partition("=")
    assert name.startswith("teamsup-crew-")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in attributes.split(";")}
    assert "Secure" not in attributes


def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_only(hub: MessageHub, served: ServedPages) -> None:
    client = PageClient(served.port)
    answer = client.post(
        "/sign-in", {"secret": secret_of(hub)}, Host="team.example.com", Origin="https://team.example.com"
    )
    assert answer.status == 303
    assert "; Secure" in answer.headers["Set-Cookie"]


def test_after_the_sign_in_the_page_is_shown_that_was_asked_for(hub: MessageHub, served: ServedPages) -> None:
    client = PageClient(served.port)
    assert 'name="next" value="/notes/1?show=all"' in client.get("/notes/1?show=all").text
    answer = client.post("/sign-in", {"secret": secret_of(hub), "next": "/notes/1?show=all"})
    assert answer.headers["Location"] == "/notes/1?show=all"
    assert client.get("/notes/1?show=all").status == 200


@pytest.mark.parametrize("address", ["https://attacker.example/", "//attacker.example", "/\\attacker.example"])
def test_the_sign_in_leads_to_no_other_server(hub: MessageHub, served: ServedPages, address: str) -> None:
    answer = PageClient(served.port).post("/sign-in", {"secret": secret_of(hub), "next": address})
    assert answer.headers["Location"] == "/"


def test_a_wrong_secret_is_refused_and_after_ten_of_them_every_secret(hub: MessageHub, served: ServedPages) -> None:
    client = PageClient(served.port)
    for _ in range(MAX_TRIES):
        answer = client.sign_in("wrong")
        assert answer.status == 403
        assert "This link is wrong, too old, or was used already." in answer.text
    answer = client.sign_in(secret_of(hub))
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 7
    assert client.cookies == {}


def test_tries_at_the_same_moment_are_counted_too(served: ServedPages) -> None:
    with ThreadPoolExecutor(4 * MAX_TRIES) as pool:
        answers = pool.map(lambda _: PageClient(served.port).sign_in("wrong").status, range(4 * MAX_TRIES))
    assert Counter(answers) == {403: MAX_TRIES, 429: 3 * MAX_TRIES}


def test_a_used_link_is_refused(hub: MessageHub, served: ServedPages) -> None:
    secret = secret_of(hub)
    assert PageClient(served.port).sign_in(secret).status == 303
    assert PageClient(served.port).sign_in(secret).status == 403


def test_a_copy_of_the_cookie_does_not_sign_in_again(served: ServedPages) -> None:
    client = served.client()
    copy = PageClient(served.port, dict(client.cookies))
    with copy.stream("/?stream=1") as events:
        events.until("whole")
        assert client.post("/sign-out", {"token": token_in(client.get("/").text)}).status == 303
        assert client.get("/").status == 401
        assert copy.get("/").status == 401


def test_another_page_cannot_sign_a_person_out(served: ServedPages) -> None:
    client = served.client()
    answer = client.post("/sign-out", {"token": "guessed"})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert client.get("/").status == 200


@pytest.mark.parametrize("host", ["attacker.example", "10.0.0.1", "localhost.attacker.example"])
def test_a_name_that_points_here_shows_nothing(served: ServedPages, host: str) -> None:
    client = served.client()
    for path in ("/", "/?stream=1", "/?region=team", "/sign-in"):
        answer = client.get(path, Host=host)
        assert answer.status == 421
        assert "all well" not in answer.text


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://127.0.0.1:1", ""])
def test_a_form_of_another_page_changes_nothing(served: ServedPages, notes: NotePage, origin: str) -> None:
    client = served.client()
    fields = {"token": token_in(client.get("/").text), "text": "hello"}
    assert client.post("/notes", fields, Origin=origin).status == 403
    assert client.post("/sign-in", {"secret": secret_of(served.hub)}, Origin=origin).status == 403
    assert notes.texts == []


def test_a_form_without_our_token_changes_nothing(served: ServedPages, notes: NotePage) -> None:
    client, other = served.client(), served.client("ben")
    for token in ("", "guessed", token_in(other.get("/").text)):
        answer = client.post("/notes", {"token": token, "text": "hello"})
        assert answer.status == 403
        assert "earlier session" in answer.text
    assert notes.texts == []


def test_only_the_owner_and_operators_may_act(served: ServedPages, notes: NotePage) -> None:
    for person in (owner_name(), "ben", "eve"):
        client = served.client(person)
        answer = client.post("/notes", {"token": token_in(client.get("/").text), "text": "hello"})
        assert answer.status == (403 if person == "eve" else 303)
    assert notes.texts == [(owner_name(), "hello"), ("ben", "hello")]


def test_a_person_sees_once_what_a_form_has_led_to(served: ServedPages) -> None:
    client = served.client()
    answer = client.post("/notes", {"token": token_in(client.get("/").text), "text": "<script>"})
    assert answer.status == 303
    assert "Sent &amp;lt;script&amp;gt;." in client.get("/").text
    assert "Sent" not in client.get("/").text


def test_a_form_that_is_refused_is_explained(served: ServedPages) -> None:
    client = served.client()
    fields = {"token": token_in(client.get("/").text), "text": ""}
    answer = client.post("/notes", fields)
    assert (answer.status, "There is nothing to send." in answer.text) == (409, True)
    short = client.post("/notes", fields, Accept="text/plain")
    assert (short.status, short.text) == (409, "There is nothing to send.\n")


def test_forms_that_wait_for_an_answer_do_not_hold_up_the_pages(hub: MessageHub, notes: NotePage) -> None:
    waiting, answered = [], threading.Event()

    def wait(context: PageContext, _fields: Mapping[str, str]) -> Outcome:
        waiting.append(context)
        assert answered.wait(TIMEOUT_SECONDS)
        return Outcome("/")

    with served_pages(hub, None, notes.pages, (Form("/wait", wait),)) as served, ThreadPoolExecutor(50) as pool:
        client = served.client()
        token = token_in(client.get("/").text)
        sent = [pool.submit(client.post, "/wait", {"token": token}) for _ in range(50)]
        try:
            eventually(lambda: len(waiting) == MAX_FORMS, "the forms wait")
            assert "all well" in client.get("/").text
        finally:
            answered.set()
        assert {each.result().status for each in sent} == {303}


def test_a_script_that_sends_a_form_gets_the_sentence(served: ServedPages) -> None:
    client = served.client()
    fields = {"token": token_in(client.get("/").text), "text": "hello"}
    answer = client.post("/notes", fields, Accept="text/plain")
    assert (answer.status, answer.text) == (200, "Sent hello.\n")


def test_every_answer_has_the_headers_that_protect_it(served: ServedPages) -> None:
    client = served.client()
    answers = [
        client.get(path)
        for path in ("/", "/nowhere", "/?region=team", "/?region=none", "/sign-in", "/static/none.js", asset("app.js"))
    ]
    answers += [PageClient(served.port).get("/"), client.get("/", Host="attacker.example")]
    answers += [client.post("/notes", {}), client.post("/sign-in", {"secret": "wrong"}), client.request("PUT", "/")]
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Server"] == "teamsup"
    with client.stream("/?stream=1") as events:
        assert events.answer.headers["Content-Security-Policy"] == POLICY
        assert events.answer.headers["Cache-Control"] == "no-store"


def test_pages_are_not_kept_and_files_are(served: ServedPages) -> None:
    client = served.client()
    assert client.get("/").headers["Cache-Control"] == "no-store"
    assert client.get("/?region=team").headers["Cache-Control"] == "no-store"
    assert "immutable" in client.get(asset("app.js")).headers["Cache-Control"]
    assert client.get("/static/app.js").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/..%2fserver.py").status == 404


def test_a_sentence_about_a_form_stands_only_where_the_form_leads(served: ServedPages) -> None:
    client = served.client()
    token = token_in(client.get("/").text)
    client.post("/notes", {"token": token, "text": "done"})
    assert "Sent done." not in client.get("/?show=all").text, "this is another tab"
    assert "Sent done." in client.get("/").text
    assert "Sent done." not in client.get("/").text


def test_a_page_does_not_move_while_nothing_happens() -> None:
    """A browser without a graphics card would draw each frame of an endless animation on a core."""
    style = read_static_files()["style.css"].content.decode()
    outside, _, inside = style.partition("@media (prefers-reduced-motion: no-preference)")

    assert "animation" not in outside
    assert "animation" in inside
    assert "infinite" not in style


def test_the_scripts_are_small() -> None:
    files = {name: file.content for name, file in read_static_files().items() if name.endswith(".js")}
    assert len(files["app.js"]) <= 8 * 1024
    assert sum(map(len, files.values())) <= 17 * 1024


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (CallerError("There is no run 7."), 404, "There is no run 7."),
        (StoreError("The disk is full."), 503, "The disk is full."),
        (RuntimeError("secret detail"), 500, "This page has a fault."),
    ],
)
def test_a_page_that_cannot_be_shown_says_why(
    served: ServedPages, notes: NotePage, error: Exception, status: int, sentence: str
) -> None:
    def fail() -> str:
        raise error

    client = served.client()
    notes.regions["team"] = fail
    answer = client.get("/")
    assert answer.status == status
    assert sentence in answer.text
    assert "secret detail" not in answer.text


def test_no_secret_is_in_the_log(
    served: ServedPages, notes: NotePage, caplog: pytest.LogCaptureFixture, hub: MessageHub
) -> None:
    caplog.set_level(0)
    client, secret = PageClient(served.port), secret_of(hub)
    client.sign_in(secret)
    token = token_in(client.get("/").text)
    notes.regions["team"] = lambda: str(1 // 0)
    client.get("/")
    client.post("/notes", {"token": token, "text": ""})
    assert "failed" in caplog.text
    for each in (secret, token, *client.cookies.values()):
        assert each not in caplog.text


def test_a_stream_reports_the_whole_state_first_and_then_what_changes(
    served: ServedPages, notes: NotePage, hub: MessageHub
) -> None:
    client = served.client()
    notes.regions["team"] = lambda: f"<b>{len(hub.agents())}</b>"
    with client.stream("/?stream=1") as events:
        name, whole = events.next() or ("", {})
        assert name == "whole"
        assert abs(whole["now"] - time.time()) < TIMEOUT_SECONDS
        before = client.get("/?region=team")
        assert whole["regions"] == {"team": before.headers["Region-Version"]}
        hub.enroll("ann")
        after = events.until("region")
        assert after["id"] == "team"
        shown = client.get("/?region=team")
        assert shown.headers["Region-Version"] == after["version"] != whole["regions"]["team"]
        assert shown.text == "<b>1</b>"


def test_a_stream_says_that_the_state_is_not_known_and_when_it_is_again(
    served: ServedPages, notes: NotePage, hub: MessageHub
) -> None:
    def fail() -> str:
        raise StoreError("The disk is away.")

    client = served.client()
    with client.stream("/notes/1?stream=1") as events:
        events.until("whole")
        notes.regions["team"] = fail
        hub.enroll("ann")
        assert events.until("trouble")["sentence"] == "The disk is away."
        notes.regions["team"] = lambda: "<b>back</b>"
        hub.enroll("ben")
        assert events.until("whole")["regions"].keys() == {"team"}


def test_a_page_that_nobody_looks_at_is_not_rendered(served: ServedPages, notes: NotePage, hub: MessageHub) -> None:
    client = served.client()
    with client.stream("/?stream=1") as events:
        events.until("whole")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while served.server.live.count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served.server.live.count == 0
    before = notes.renderings
    for name in ("ann", "ben"):
        hub.enroll(name)
        assert client.get(asset("app.js")).status == 200
    assert notes.renderings == before


def test_streams_end_when_the_worker_ends(hub: MessageHub, notes: NotePage) -> None:
    with served_pages(hub, WebSection(), notes.pages, notes.forms) as served:
        client = served.client()
        stream = client.stream("/?stream=1")
        events = stream.__enter__()
        events.until("whole")
    assert events.next() is None
    stream.__exit__(None, None, None)
