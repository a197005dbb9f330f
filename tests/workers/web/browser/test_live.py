"""An open page follows the team, says when it does not know, and does not disturb its reader."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from helpers.browser import Browser, show_page
from helpers.note_page import NotePage
from helpers.page_server import ServedPages, WebProcess, served_pages
from teamsup.hub import StoreError
from teamsup.workers.web.sections import WebSection

pytestmark = pytest.mark.slow  # a browser takes seconds


def change(served: ServedPages, notes: NotePage, html: str) -> None:
    """Let the region be that, and commit something."""
    notes.regions["team"] = lambda: html
    served.hub.execute("UPDATE web_sessions SET used_at = used_at")


def test_a_change_is_shown_without_loading_the_page_again(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    show_page(browser, served)
    browser.run("window.mark = 1")
    change(served, notes, "<b id='word'>one does not answer</b>")
    browser.wait_for("one does not answer", "#team")
    assert browser.run("return window.mark") == 1
    assert browser.errors() == []


def test_the_input_of_a_person_stays_when_a_region_changes(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    before = (
        "<details id='d'><summary>more</summary>{0}</details><input id='i' aria-label='i'>"
        "<button id='b1'>one</button><button id='b2'>two</button>"
    )
    notes.regions["team"] = lambda: before.format("old")
    show_page(browser, served)
    browser.run(
        "document.getElementById('d').open = true; const i = document.getElementById('i');"
        "i.value = 'abc'; i.focus(); i.setSelectionRange(1, 2)"
    )
    change(served, notes, "<p id='p'>above</p>" + before.format("new"))
    browser.wait_for("new", "#d")
    assert browser.run(
        "const [d, i] = [document.getElementById('d'), document.getElementById('i')];"
        "return [d.open, document.activeElement.id, i.value, i.selectionStart, i.selectionEnd]"
    ) == [True, "i", "abc", 1, 2]
    # Sorted by urgency, the row with the focus moves.
    browser.run("document.getElementById('b2').focus()")
    change(served, notes, "<button id='b2'>two</button><button id='b1'>one</button>")
    browser.wait_until(lambda: browser.text("#team").startswith("two"), "the order has changed")
    assert browser.run("return document.activeElement.id") == "b2"
    # Its row has gone: the keyboard goes on in the region.
    change(served, notes, "<button id='b1'>one</button>")
    browser.wait_until(lambda: "two" not in browser.text("#team"), "the row has gone")
    assert browser.run("return document.activeElement.id") == "team"


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("document.querySelector('details').open = true", "document.querySelector('details').open = false"),
        ("getSelection().selectAllChildren(document.getElementById('word'))", "getSelection().removeAllRanges()"),
    ],
    ids=["an open menu", "a selection"],
)
def test_a_region_waits_while_a_person_is_busy_in_it(
    browser: Browser, served: ServedPages, notes: NotePage, begin: str, end: str
) -> None:
    html = "<b id='word'>{}</b><details class='menu' id='m'><summary>menu</summary>stop</details>"
    notes.regions = {"team": lambda: html.format("first"), "other": lambda: "<i>first</i>"}
    with served_pages(served.hub, WebSection(), notes.pages, notes.forms) as both:
        show_page(browser, both)
        browser.run(begin)
        notes.regions["other"] = lambda: "<i>second</i>"
        change(both, notes, html.format("second"))
        browser.wait_for("second", "#other")
        assert "first" in browser.text("#word")
        browser.run(end)
        browser.wait_for("second", "#word")


def test_a_list_that_grows_keeps_its_end_in_sight_or_says_what_is_below(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    def rows(first: int, last: int) -> str:
        return "".join(f"<p id='m{number}'>message {number}</p>" for number in range(first, last + 1))

    notes.attributes = "data-swap='append'"
    notes.regions["team"] = lambda: rows(1, 60)
    show_page(browser, served)
    browser.run("document.scrollingElement.scrollTop = 1e6")
    change(served, notes, rows(2, 61))
    browser.wait_for("message 61", "#team")
    assert "message 1\n" in browser.text("#team"), "what is older stays"
    assert browser.run("const s = document.scrollingElement; return s.scrollHeight - s.scrollTop - s.clientHeight") < 80
    browser.run("document.scrollingElement.scrollTop = 0")
    change(served, notes, rows(4, 63))
    browser.wait_for("2 new below", "#new-below")
    assert browser.run("return document.scrollingElement.scrollTop") == 0
    assert browser.text("#team").count("message 62\n") == 1


def test_evidence_that_is_too_old_is_not_heard(browser: Browser, served: ServedPages, notes: NotePage) -> None:
    def state(seconds: float) -> str:
        at = datetime.now(UTC) - timedelta(seconds=seconds)
        return (
            "<span id='s' class='state well' data-limit='30'><b>running</b>"
            f" <time data-age datetime='{at.isoformat()}'>just now</time></span>"
        )

    notes.regions["team"] = lambda: state(5)
    show_page(browser, served)
    assert browser.text("#s").startswith("running 5 s ago") or browser.text("#s").startswith("running")
    # This machine's clock may be wrong: ages come from the server's.
    browser.run("const real = Date.now; Date.now = () => real() - 3600e3")
    change(served, notes, state(28))
    browser.wait_for("not heard", "#s")
    assert browser.run("return document.getElementById('s').className") == "state silent"
    change(served, notes, state(1).replace("running", "is back"))
    browser.wait_for("is back", "#s")
    assert browser.run("return document.getElementById('s').className") == "state well"


def test_a_page_says_that_the_state_is_not_known_and_freezes(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    def fail() -> str:
        raise StoreError("The disk is away.")

    show_page(browser, served)
    browser.type("textarea", "a draft")
    change(served, notes, "<b>unused</b>")
    notes.regions["team"] = fail
    served.hub.execute("UPDATE web_sessions SET used_at = used_at")
    browser.wait_for("The disk is away.", "#banner")
    assert browser.text("#banner").startswith("Not live since ")
    assert browser.text("h1") == "3 things needed you"
    assert browser.run("return document.getElementById('send').disabled && document.querySelector('textarea').readOnly")
    browser.type("textarea", " that nobody types")
    assert browser.run("return document.querySelector('textarea').value") == "a draft"
    browser.run("document.forms[0].requestSubmit()")
    change(served, notes, "<b>back</b>")
    browser.wait_for("back", "#team")
    browser.wait_for("live since", "#liveness")
    assert browser.text("#banner") == ""
    assert browser.text("h1") == "3 things need you"
    assert browser.run("return document.querySelector('textarea').value") == "a draft"
    browser.click("#send")
    browser.wait_for("Sent a draft.", "#notice")
    assert [text for _, text in notes.texts] == ["a draft"]


def test_the_worker_is_restarted_under_the_page(browser: Browser, web: WebProcess) -> None:
    browser.open(web.link())
    browser.wait_for("live since", "#liveness")
    browser.run("window.mark = 1")
    web.stop()
    browser.wait_for("Not live since", "#banner")
    web.hub.register()
    web.start()
    browser.wait_for("live since", "#liveness")
    browser.wait_for("observer")
    assert browser.text("#banner") == ""
    assert browser.run("return window.mark") == 1, "the page has not been loaded again"


@pytest.mark.parametrize("is_frozen", [False, True], ids=["the clock jumps", "the tab was frozen too"])
def test_a_page_that_was_asleep_for_an_hour_is_not_live_before_it_knows_all(
    browser: Browser, served: ServedPages, notes: NotePage, is_frozen: bool
) -> None:
    show_page(browser, served)
    may_answer = threading.Event()

    def wait() -> str:
        may_answer.wait()
        return "<b id='word'>changed in the night</b>"

    if is_frozen:
        browser.command("Page.setWebLifecycleState", state="frozen")
    notes.regions["team"] = wait
    try:
        if is_frozen:
            browser.command("Page.setWebLifecycleState", state="active")
        browser.run("const real = Date.now; Date.now = () => real() + 3600e3")
        if is_frozen:
            browser.look_elsewhere_and_back()
        browser.wait_for("Not live since", "#banner")
        assert browser.run("return document.getElementById('send').disabled")
        assert "all well" in browser.text("#team")
    finally:
        may_answer.set()
    browser.wait_for("changed in the night", "#team")
    browser.wait_for("live since", "#liveness")
    browser.wait_until(lambda: not browser.text("#banner"), "the banner has gone")


def test_a_hidden_page_fetches_nothing(browser: Browser, served: ServedPages, notes: NotePage) -> None:
    show_page(browser, served)
    page = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.wait_until(lambda: served.server.live.count == 0, "the stream has ended")
    before = notes.renderings
    change(served, notes, "<b id='word'>changed</b>")
    assert notes.renderings == before
    browser.driver.switch_to.window(page)
    browser.wait_for("changed", "#team")
    browser.wait_for("live since", "#liveness")


def test_a_page_that_somebody_sees_again_warns_until_it_knows_all(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    show_page(browser, served)
    browser.run("""
        window.away = true; window.ticks = 0;
        Object.defineProperty(document, "hidden", { get: () => window.away });
        const real = Date.now; Date.now = () => (window.ticks++, real());
        document.dispatchEvent(new Event("visibilitychange"));
    """)
    before = int(browser.run("return window.ticks"))
    # It has looked at the clock while it was hidden, so it does not find a gap when it is shown.
    browser.wait_until(lambda: int(browser.run("return window.ticks")) > before, "a look at the clock")
    may_answer = threading.Event()

    def wait() -> str:
        may_answer.wait()
        return "<b id='word'>changed meanwhile</b>"

    notes.regions["team"] = wait
    try:
        browser.run("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        browser.wait_for("Not live since", "#banner")
    finally:
        may_answer.set()
    browser.wait_for("changed meanwhile", "#team")
    browser.wait_until(lambda: not browser.text("#banner"), "the banner has gone")


def test_an_end_of_the_session_leads_to_the_sign_in(browser: Browser, served: ServedPages, notes: NotePage) -> None:
    show_page(browser, served)
    served.hub.execute("DELETE FROM web_sessions")
    change(served, notes, "<b>changed</b>")
    browser.wait_until(lambda: browser.driver.find_elements("css selector", "input[name=secret]"), "the sign-in")


def test_a_text_survives_the_end_of_the_session(browser: Browser, served: ServedPages) -> None:
    show_page(browser, served)
    browser.type("textarea", "Half a sen")
    served.hub.execute("DELETE FROM web_sessions")
    browser.open(served.address)
    browser.wait_until(lambda: browser.driver.find_elements("css selector", "input[name=secret]"), "the sign-in")

    show_page(browser, served)
    assert browser.run("return document.querySelector('textarea').value") == "Half a sen"

    browser.click("#out")
    browser.wait_until(lambda: browser.run("return sessionStorage.length === 0"), "nobody else in this tab reads it")


def test_a_form_whose_session_has_ended_is_filled_again(browser: Browser, served: ServedPages, notes: NotePage) -> None:
    show_page(browser, served)
    browser.type("textarea", "A whole sentence")
    served.hub.execute("DELETE FROM web_sessions")
    browser.click("#send")
    browser.wait_until(lambda: browser.driver.find_elements("css selector", "input[name=secret]"), "the sign-in")

    show_page(browser, served)
    assert browser.run("return document.querySelector('textarea').value") == "A whole sentence"

    browser.click("#send")
    browser.wait_for("Sent A whole sentence", "#notice")
    assert [text for _, text in notes.texts] == ["A whole sentence"]
    assert browser.run("return document.querySelector('textarea').value") == ""


def test_a_button_that_is_pressed_twice_acts_once(browser: Browser, served: ServedPages, notes: NotePage) -> None:
    show_page(browser, served)
    browser.type("#quick", "once")
    browser.run("for (const _ of [1, 2]) document.getElementById('quick-send').click()")
    browser.wait_for("Sent once", "output")
    browser.type("textarea", "also once")
    browser.run("for (const _ of [1, 2]) document.getElementById('send').click()")
    browser.wait_for("Sent also once", "#notice")

    assert [text for _, text in notes.texts] == ["once", "also once"]
