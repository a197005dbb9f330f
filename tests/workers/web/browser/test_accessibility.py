"""The rules of axe-core, an npm package, where it is installed: names of fields, contrast, roles, headings."""

import json
from pathlib import Path

import pytest

from helpers.browser import Browser
from helpers.page_server import WebProcess

AXE = Path(__file__).parents[4] / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = "const done = arguments[0]; axe.run().then((found) => done(JSON.stringify(found.violations)));"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install --prefix .venv/axe axe-core"),
]


@pytest.fixture
def team_web(web: WebProcess) -> WebProcess:
    """A team in which somebody has written."""
    web.hub.register()
    web.hub.enroll("lead")
    web.hub.send("lead", "Is the disk full?", conversation_id="console-ann:1")
    return web


# Colours do not depend on the width, so each of both is looked at once.
@pytest.mark.parametrize(
    ("scheme", "width", "is_phone"), [("dark", 390, True), ("light", 1440, False)], ids=["dark-phone", "light-desk"]
)
def test_axe_finds_nothing_in_any_page(
    browser: Browser, team_web: WebProcess, scheme: str, width: int, is_phone: bool
) -> None:
    browser.resize(width, 900, is_phone=is_phone)
    browser.use_color_scheme(scheme)
    browser.open(f"{team_web.address}/")
    browser.wait_for("teamsup open")
    assert violations(browser) == {}
    browser.open(team_web.link())
    browser.wait_for("live since", "#liveness")
    found = {}
    addresses = (
        "/",
        "/conversations",
        "/conversations/console-ann:1",
        "/incidents",
        "/decisions",
        "/runs",
        "/dead-letters",
    )
    others = ("/plots?range=day", "/team/lead", "/logs", "/search?q=disk", "/sessions", "/sessions/end-all")
    for address in (*addresses, *others, "/nowhere"):
        browser.open(team_web.address + address)
        if address != "/nowhere":
            browser.wait_for("live since", "#liveness")
        if rules := violations(browser):
            found[address] = rules
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), f"{address} scrolls sideways"
    assert found == {}


def test_axe_finds_nothing_in_a_page_that_is_not_live(browser: Browser, team_web: WebProcess) -> None:
    browser.open(team_web.link())
    browser.wait_for("live since", "#liveness")
    team_web.stop()
    browser.wait_for("Not live since", "#banner")
    assert violations(browser) == {}


def violations(browser: Browser) -> dict[str, list[str]]:
    """The broken rules, each with the elements that break it."""
    browser.run(AXE.read_text("utf-8"))
    found = json.loads(browser.driver.execute_async_script(RUN_AXE))
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"][:3]] for rule in found}
