"""The pages in a real browser: talk, keys, sizes, and what a page without evidence looks like."""

import pytest

from helpers.browser import Browser
from helpers.page_server import WebProcess
from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import MAX_ATTEMPTS
from teamsup.workers.web.access.authenticator import owner_name

pytestmark = pytest.mark.slow  # a browser takes seconds

PHONE, DESK, WALL = (390, 844), (1440, 900), (1920, 1080)
HOSTILE = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
# What a finger cannot hit: it has 44 px, of its own or with the area around it that takes touches too.
FIND_SMALL = """
const area = (each) => parseFloat(getComputedStyle(each, "::after").top) || 0;
const height = (each) => (each.type === "checkbox" ? each.parentElement : each).getBoundingClientRect().height;
return [...document.querySelectorAll("a, button, summary, input, textarea")]
  .filter((each) => each.checkVisibility() && height(each) - 2 * area(each) < 44).map((each) => each.outerHTML);
"""
ENTER, TAB, SPACE = "\ue007", "\ue004", " "


def kill_letter(sender: MessageHub, reader: MessageHub, content: str) -> None:
    sender.send(reader.agent, content)
    for _ in range(MAX_ATTEMPTS):
        (delivery,) = reader.claim()
        reader.release(delivery, error="no luck", delay=0)


def test_a_person_says_hello_and_reads_the_answer_without_loading_again(
    browser: Browser, web: WebProcess, team: Team
) -> None:
    with MessageHub(team, agent="user_comm") as user_comm:
        user_comm.register("daemon")
        browser.open(web.link())
        browser.wait_for("live since", "#liveness")
        browser.open(f"{web.address}/conversations")
        browser.type("#content", "Hello")
        browser.click("#send")
        browser.wait_for("Hello", ".messages")
        browser.run("window.isSamePage = true")

        for delivery in user_comm.listen(TIMEOUT_SECONDS):
            user_comm.reply(delivery, f"Hi there! {HOSTILE}")
            break

        browser.wait_for("Hi there!", ".messages")
        browser.wait_for("<script>", ".messages")
        assert browser.run("return window.isSamePage")
        assert browser.driver.title != "taken"
        assert browser.errors() == []


def test_a_new_message_stands_under_a_line_and_is_read_then(browser: Browser, web: WebProcess, team: Team) -> None:
    me = f"console-{owner_name()}"
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        lead.enroll(me, "console")

        def is_read() -> bool:
            person = lead.find_agent(me)
            return person is not None and person.unread == 0

        lead.send(me, "The first line", conversation_id="talk")
        browser.open(web.link())
        browser.wait_for("live since", "#liveness")
        assert not is_read()
        browser.open(f"{web.address}/conversations/talk")
        browser.wait_for("new since", ".new-line")
        eventually(is_read, "the first one is read")
        lead.send(me, "The second line", conversation_id="talk")
        browser.wait_for("The second line", ".messages")
        eventually(is_read, "the second one is read")
        assert browser.run("return document.querySelectorAll('.new-line').length") == 1
        assert browser.run("return document.querySelector('.new-line + .message').innerText").count("The first line")


def test_the_keyboard_alone_drops_a_dead_letter(browser: Browser, web: WebProcess, team: Team) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        kill_letter(lead, lead, "hopeless")
        browser.open(web.link())
        browser.wait_for("hopeless", "#needs")
        focus_with_tab(browser, "Drop…")
        browser.press(ENTER)
        browser.wait_for("hopeless", ".quoted")
        focus_with_tab(browser, "Drop dead letter 1")
        browser.press(ENTER)

        browser.wait_for("does not get message 1", "#notice")
        assert lead.queries.count_dead_letters() == 0


def focus_with_tab(browser: Browser, text: str) -> None:
    """Press the tab key until the element with that text has the focus, which shows where it is."""
    for _ in range(60):
        browser.press(TAB)
        if browser.run("return document.activeElement.innerText") == text:
            assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return
    raise AssertionError(f"the keyboard does not reach {text!r}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK, WALL], ids=["phone", "desk", "wall"])
def test_no_page_scrolls_sideways(
    browser: Browser, web: WebProcess, team: Team, size: tuple[int, int], scheme: str
) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register("agent", note="x" * 300)
        for number in range(5):
            kill_letter(lead, lead, f"{number} {'y' * 300}")
        lead.send("lead", "z" * 300, conversation_id=f"console-{owner_name()}:web-1")
    browser.use_color_scheme(scheme)
    browser.resize(*size, is_phone=size == PHONE)
    browser.open(web.link())
    browser.wait_for("live since", "#liveness")
    conversation = f"/conversations/console-{owner_name()}%3Aweb-1"
    for path in ("/", "/conversations", conversation, "/messages", "/dead-letters", "/logs", "/search?q=z", "/runs"):
        browser.open(web.address + path)
        wider = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
        assert size != PHONE or browser.run(FIND_SMALL) == [], path
        assert browser.errors() == []


def test_the_pages_can_be_read_and_used_without_a_script(browser: Browser, web: WebProcess, team: Team) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        kill_letter(lead, lead, "hopeless")
        browser.command("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(f"{web.address}/")
        browser.type("#secret", web.link().partition("#")[2])
        browser.click("#enter")
        retry = "[aria-label='Dead letter'] button"
        eventually(lambda: browser.driver.find_elements("css selector", retry), "the page is loaded")
        browser.click(retry)
        eventually(lambda: browser.driver.find_elements("css selector", "#notice"), "the answer is loaded")
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
        browser.wait_for("lead gets message 1 again", "#notice")
        assert lead.queries.count_dead_letters() == 0
