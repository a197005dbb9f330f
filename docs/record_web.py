"""Start a team, let something happen in it, and take pictures of its pages. Run it with `make pictures`.

It needs Debian's packages chromium and chromium-driver. With fonts-inter the pictures have the font of the pages.
"""

import contextlib
import json
import math
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from helpers.browser import WHY_NO_BROWSER, Browser, open_browser
from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import MAX_ATTEMPTS
from teamsup.status.samples import TeamSample, WorkerSample, append_rows, write_minutes
from teamsup.workers.monitor_bridge.demo import agent_story
from teamsup.workers.monitor_bridge.demo.demo_team import post_alert, temporary_team, wait_until
from teamsup.workers.web.access.sessions import create_link
from teamsup.workers.web.component import component
from teamsup.workers.web.presence import ADDRESS_KEY

DOCS = Path(__file__).parent
PERSON = "ann"
TALL, DESK, PHONE = (1440, 1126), (1440, 820), (390, 844)
_AGENT_PROGRAM = Path(agent_story.__file__).with_name("agent_program.py")
_CONFIGURATION = f"""
[team]
agents = ["lead", "replica-watch", "alert-manager"]
[agent.alert-manager]
start = ["message"]
command = {json.dumps([sys.executable, "-I", str(_AGENT_PROGRAM), "0.5"])}
[monitor-bridge]
listen = "127.0.0.1:PORT"
[source.prometheus]
kind = "alertmanager"
[worker.gateway]
autostart = false
[web]
operators = ["{PERSON}"]
"""
_TALK = (
    (
        "@lead what fills /var on db1?",
        "The write-ahead log of the shop database: 41 GiB since 13:40. Its archive command fails, so nothing is"
        " removed. I have changed nothing.",
    ),
    ("@lead how long until it is full, at this rate?", "About 50 minutes: 97 % now, and 0.06 points more each minute."),
)


@contextlib.contextmanager
def present(team: Team, name: str) -> Iterator[MessageHub]:
    """An agent with a session, whose heartbeats arrive until the end."""
    over = threading.Event()
    with MessageHub(team, agent=name) as hub:
        hub.register("agent")

        def beat() -> None:
            while not over.wait(3):
                hub.heartbeat()

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            hub.heartbeat()
            yield hub
        finally:
            over.set()
            thread.join()


def talk(person: MessageHub, lead: MessageHub, conversation: str) -> None:
    """A person asks, and an agent answers; the last question stays open."""
    for question, answer in _TALK:
        person.send(USER_COMM, question, conversation_id=conversation)
        for delivery in lead.listen(10):
            lead.reply(delivery, answer)
            break
        wait_until(lambda text=answer: has_text(person, conversation, text), "no answer arrived")
    person.send(USER_COMM, "@lead how far is the replica behind?", conversation_id=conversation)
    for delivery in lead.listen(10):
        lead.answer(delivery.message, "I ask the replica for its lag.", message_type="status_report")
        break


def has_text(hub: MessageHub, conversation: str, text: str) -> bool:
    return any(text in each.content for each in hub.queries.find(conversation=conversation, sender=USER_COMM))


def kill_letter(sender: MessageHub, reader: MessageHub) -> None:
    """Let a message fail too often."""
    sender.send(reader.agent, "Backup of db1 is done", conversation_id="backups")
    for _ in range(MAX_ATTEMPTS):
        for delivery in reader.claim():
            reader.release(delivery, error="the replica refuses the login", delay=0)


def invent_past(team: Team, now: float) -> None:
    """Write the samples of an hour and a week. The team of the pictures is a minute old, and would have none."""
    chance = random.Random(7)  # noqa: S311 - the same pictures each time
    names = ("supervisor", "user_comm", "monitor-bridge", "agent-runner", "web", "fork-server")

    def sample(at: float, seconds: float, age: float) -> TeamSample:
        peak = math.exp(-(((age - 780) / 200) ** 2))
        workers = {
            name: WorkerSample(
                chance.uniform(0.1, 0.5) + 3 * peak * chance.random(),
                int((26 + 4 * number + chance.random()) * 2**20),
                crashes=int(name == "monitor-bridge" and abs(age - 840) < 45),
                starts=int(name == "web" and abs(age - 2700) < 31),
            )
            for number, name in enumerate(names)
        }
        return TeamSample(
            at,
            seconds,
            messages=chance.uniform(6, 14) + 24 * peak,
            reads=9,
            latency_p50=chance.uniform(0.002, 0.004),
            latency_p99=chance.uniform(0.008, 0.018) + 0.07 * peak,
            oldest_seconds=max(0.0, 260 * peak - 40 + chance.uniform(0, 20)),
            oldest_agent="replica-watch",
            cpu_percent=chance.uniform(8, 16) + 45 * peak,
            memory_percent=21 + chance.uniform(0, 1),
            # Today's is that of the run in this team.
            usd_today=0.02 if is_today(at) else 1.2 + at // 86400 * 37 % 7,
            workers=workers,
        )

    minutes = [sample(now - 60 * age, 60, 60 * age) for age in range(60, -1, -1) if not 22 < age < 31]
    rows = [sample(now - 600 * age, 600, 600 * age) for age in range(900, 0, -1)]
    append_rows(team, rows)
    write_minutes(team, minutes)


def is_today(at: float) -> bool:
    return datetime.fromtimestamp(at, UTC).astimezone().date() == datetime.now(UTC).astimezone().date()


def take(browser: Browser, name: str, size: tuple[int, int], scheme: str, *, is_phone: bool = False) -> None:
    """Write a picture of what a person sees first."""
    browser.use_color_scheme(scheme)
    browser.resize(*size, is_phone=is_phone)
    browser.wait_for("live since", "#liveness")
    browser.screenshot(DOCS / name, whole_page=False)


def record(team: Team, port: int, browser: Browser) -> None:
    began = datetime.now(UTC) - timedelta(minutes=29)
    conversation = f"console-{PERSON}:web-7f3a"
    with (
        MessageHub(team, agent=f"console-{PERSON}") as person,
        present(team, "lead") as lead,
        present(team, "replica-watch") as watch,
    ):
        person.enroll(person.agent, "console")
        labels = {"alertname": "DiskFull", "instance": "db1", "severity": "critical"}
        post_alert(port, labels, "/var on db1 is at 97 %", began, None)
        talk(person, lead, conversation)
        kill_letter(lead, watch)
        lead.send("replica-watch", "How far is the replica behind?", conversation_id="replica")
        wait_until(
            lambda: any(each.message_type == DECISION_REQUEST for each in person.queries.history(limit=100)),
            "nobody asked to decide",
        )
        address = next(each.metadata[ADDRESS_KEY] for each in person.agents() if each.name == component.name)
        invent_past(team, time.time())
        browser.command("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(f"{address}/sign-in#{create_link(person, PERSON, time.time())}")
        browser.wait_for("live since", "#liveness")
        take(browser, "web-light.png", TALL, "light")
        browser.open(f"{address}/")
        take(browser, "web-phone.png", PHONE, "light", is_phone=True)
        browser.open(f"{address}/conversations/{conversation.replace(':', '%3A')}")
        browser.click(".messages > .message:nth-last-child(1 of .message) summary")
        take(browser, "web-dark.png", DESK, "dark")


if __name__ == "__main__":
    if WHY_NO_BROWSER:
        sys.stderr.write(f"The pictures of the pages are not taken: this {WHY_NO_BROWSER}.\n")
        sys.exit()
    os.environ.pop("DISCORD_TOKEN", None)
    with temporary_team(_CONFIGURATION) as (demo, demo_port, _), open_browser() as window:
        record(demo, demo_port, window)
