"""What others try on a person who is signed in, and what works with a keyboard alone or without scripts."""

import http.server
import time

import pytest

from helpers.browser import Browser, show_page
from helpers.note_page import NotePage
from helpers.page_server import ServedPages
from helpers.support import serve_http
from teamsup.workers.web.access.authenticator import owner_name
from teamsup.workers.web.access.sessions import create_link

pytestmark = pytest.mark.slow
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><b id='word'>evil</b>"


def test_a_wrong_secret_signs_nobody_in(browser: Browser, served: ServedPages) -> None:
    browser.open(f"http://127.0.0.1:{served.port}/sign-in#wrong")
    browser.wait_for("This link is wrong, too old, or was used already.")
    assert "wrong" not in browser.driver.current_url
    browser.open(f"http://127.0.0.1:{served.port}/")
    assert "all well" not in browser.text()


def test_a_script_in_a_text_is_not_run_even_where_a_template_forgot_it(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    notes.regions["team"] = lambda: EVIL
    show_page(browser, served)
    assert browser.run("return window.hacked ?? 0") == 0
    notes.regions["team"] = lambda: EVIL + "again"
    served.hub.enroll("ann")
    browser.wait_for("again", "#team")
    assert browser.run("return window.hacked ?? 0") == 0
    assert any("Content Security Policy" in error for error in browser.errors())


def test_a_page_of_another_origin_can_neither_act_nor_read_nor_frame(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    page = f"http://127.0.0.1:{served.port}"
    evil = f"""<!doctype html><title>evil</title><form id="f" method="post" action="{page}/notes" target="t">
        <input name="text" value="stolen"></form><iframe name="t"></iframe><iframe src="{page}/"></iframe>
        <p></p>
        <script>
          document.getElementById("f").submit();
          const done = (text) => document.querySelector("p").append(text + ". ");
          fetch("{page}/", {{credentials: "include"}}).then(() => done("read"), () => done("not read"));
          const stream = new EventSource("{page}/?stream=1", {{withCredentials: true}});
          stream.addEventListener("whole", () => done("followed")); stream.onerror = () => done("not followed");
        </script>"""

    class Attacker(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(evil.encode())

        def log_message(self, *_: object) -> None:
            pass

    show_page(browser, served)
    with serve_http(Attacker) as address:
        # Another port of the same host: the browser sends the cookie.
        browser.open(address)
        browser.wait_for("not read", "p")
        browser.wait_for("not followed", "p")
        assert ". read" not in f". {browser.text('p')}"
        browser.open(f"{page}/")
        browser.wait_for("live since", "#liveness")
    assert notes.texts == []


def test_a_name_that_points_here_shows_nothing(browser: Browser, served: ServedPages) -> None:
    host = f"http://attacker.example:{served.port}"
    browser.open(f"{host}/sign-in")
    browser.take_cookies(f"{host}/", served.client().cookies)
    browser.open(f"{host}/")
    browser.wait_for("This address is not a name of this server.")
    assert "all well" not in browser.text()


def test_a_keyboard_is_enough(browser: Browser, served: ServedPages, notes: NotePage) -> None:
    from selenium.webdriver.common.keys import Keys

    show_page(browser, served)
    browser.press(Keys.TAB)
    browser.press("a note")
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.id") == "send"
    browser.press(Keys.ENTER)
    browser.wait_for("Sent a note.", "#notice")
    browser.wait_for("live since", "#liveness")
    browser.press(Keys.TAB, Keys.TAB, Keys.TAB)
    browser.press("quick", Keys.ENTER)
    browser.wait_for("Sent quick.", "output")
    assert browser.run("return document.getElementById('quick').value") == ""
    assert [text for _, text in notes.texts] == ["a note", "quick"]


def test_without_scripts_a_form_takes_the_secret_and_the_page_is_readable(
    browser: Browser, served: ServedPages, notes: NotePage
) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(f"http://127.0.0.1:{served.port}/notes/1")
    field = browser.driver.find_element("css selector", "input[name=secret]")
    field.send_keys(create_link(served.hub, owner_name(), time.time()))
    field.submit()
    browser.wait_until(lambda: "all well" in browser.driver.page_source, "the page")
    assert browser.driver.current_url.endswith("/notes/1")
    browser.type("textarea", "plain")
    browser.click("#send")
    browser.wait_until(lambda: "Sent plain." in browser.driver.page_source, "the note is sent")
    assert [text for _, text in notes.texts] == ["plain"]
