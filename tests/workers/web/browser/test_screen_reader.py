"""What a screen reader says: each page in the order of Chromium's tree of accessibility, and what is announced."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from helpers.browser import Browser
from helpers.page_server import WebProcess
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import MAX_ATTEMPTS

ADDRESSES = (
    *("/", "/conversations", "/conversations/console-ann:1", "/incidents", "/decisions", "/runs", "/dead-letters"),
    *("/plots", "/team/lead", "/logs", "/search?q=disk", "/sessions", "/sessions/end-all"),
)
NAMED = {
    *("link", "button", "textbox", "searchbox", "checkbox", "DisclosureTriangle", "image", "heading"),
    *("table", "columnheader", "rowheader", "navigation", "region", "search"),
}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Spoken:
    """One node of a page, as a screen reader says it."""

    role: str
    name: str
    level: int


def test_a_screen_reader_finds_its_way_in_each_page_and_says_what_happens(
    browser: Browser, web: WebProcess, team: Team
) -> None:
    with MessageHub(team, agent="lead") as lead, MessageHub(team, agent="scout") as scout:
        for hub in (web.hub, lead, scout):
            hub.register()
        web.hub.send("lead", "Is the disk full?", conversation_id="console-ann:1")
        browser.open(web.link())
        browser.wait_for("live since", "#liveness")
        assert announced(browser, "status") == ""

        kill_letter(lead, scout)

        told = "2 things need you. Dead letter lead to scout"
        browser.wait_until(lambda: announced(browser, "status").startswith(told), "the new need, not the worst")
        found = {}
        for address in ADDRESSES:
            browser.open(web.address + address)
            browser.wait_for("live since", "#liveness")
            if troubles := list(find_troubles(read_aloud(browser))):
                found[address] = troubles
        assert found == {}

        web.stop()

        browser.wait_until(lambda: "Not live since" in announced(browser, "alert"), "the lost connection")


@pytest.mark.parametrize(
    ("nodes", "troubles"),
    [
        ([Spoken("button", "", 0)], ["a button without a name"]),
        ([Spoken("heading", "Runs", 1), Spoken("heading", "Cause", 3)], ["level 3 after 1: Cause"]),
        ([Spoken("heading", "Runs", 1), Spoken("heading", "Cause", 2), Spoken("link", "Logs", 0)], []),
    ],
)
def test_a_name_that_is_missing_and_a_level_that_is_left_out_are_troubles(
    nodes: list[Spoken], troubles: list[str]
) -> None:
    whole = [Spoken("main", "", 0), Spoken("banner", "", 0), Spoken("contentinfo", "", 0), *nodes]
    title = [] if any(each.level == 1 for each in nodes) else [Spoken("heading", "Team", 1)]

    assert list(find_troubles([*whole, *title])) == troubles


def find_troubles(nodes: Sequence[Spoken]) -> Iterable[str]:
    """What would lead a listener astray. Pure."""
    counts = Counter(each.role for each in nodes)
    yield from (f"{counts[role]} of {role}" for role in ("main", "banner", "contentinfo") if counts[role] != 1)
    yield from (f"a {each.role} without a name" for each in nodes if each.role in NAMED and not each.name.strip())
    headings = [each for each in nodes if each.role == "heading"]
    if (titles := sum(each.level == 1 for each in headings)) != 1:
        yield f"{titles} titles"
    before = 0
    for each in headings:
        # In a conversation the list of the others comes before the title.
        if before and each.level > before + 1:
            yield f"level {each.level} after {before}: {each.name}"
        before = each.level


def read_aloud(browser: Browser) -> list[Spoken]:
    """The nodes of the page, in the order of their reading."""
    nodes = {node["nodeId"]: node for node in browser.command("Accessibility.getFullAXTree")["nodes"]}
    root = next(iter(nodes.values()))
    spoken, left = [], [root["nodeId"]]
    while left:
        node = nodes.get(left.pop())
        if node is None:
            continue
        left.extend(reversed(node.get("childIds", [])))
        if not node.get("ignored"):
            properties: dict[str, Any] = {each["name"]: each["value"].get("value") for each in node["properties"]}
            name = node.get("name", {}).get("value", "")
            spoken.append(Spoken(node["role"]["value"], name, int(properties.get("level") or 0)))
    return spoken


def announced(browser: Browser, role: str) -> str:
    """The text of the live regions of that role."""
    shown = browser.run(
        "return [...document.querySelectorAll(`[role=${arguments[0]}]`)]"
        ".filter((each) => !each.hidden).map((each) => each.textContent).join(' ')",
        role,
    )
    return str(shown).strip()


def kill_letter(sender: MessageHub, reader: MessageHub) -> None:
    sender.send(reader.agent, "Backup of db1 is done", conversation_id="backups")
    for _ in range(MAX_ATTEMPTS):
        (delivery,) = reader.claim()
        reader.release(delivery, error="the replica refuses the login", delay=0)
