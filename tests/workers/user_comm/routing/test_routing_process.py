"""Every rule of routing, with the real user_comm: through the hub's API, and through ``teamsup chat``."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand
from teamsup.hub import MessageHub, Team

RULES = """
default_agent = "lead"
aliases = { gcp = "gcp-monitor" }
[message_route.machines]
pattern = 'vm-\\d+'
agents = ["gcp-monitor"]
[message_route.bills]
keywords = ["bill", "what it costs"]
agents = ["gcp-monitor", "oci-monitor"]
[message_route.channel]
channels = [7]
agents = ["oci-monitor"]
"""
AGENTS = ("lead", "gcp-monitor", "oci-monitor")
TERMINAL, CHANNEL, OTHER_CHANNEL = "console-ann:", "discord:7", "discord:8"


def answer_all(team: Team, name: str, ended: threading.Event) -> None:
    """Say who has got what."""
    with MessageHub(team, agent=name) as hub:
        hub.register()
        while not ended.is_set():
            for delivery in hub.claim(20) if hub.wait(0.2) else []:
                hub.reply(delivery, f"got {delivery.message.content.splitlines()[0]!r}")


@pytest.fixture
def agents(team: Team, configure: Callable[..., None]) -> Iterator[None]:
    """They answer every question."""
    configure(RULES, progress_seconds=60)
    with MessageHub(team) as hub:
        for name in AGENTS:
            hub.enroll(name)
    ended = threading.Event()
    threads = [threading.Thread(target=answer_all, args=(team, name, ended)) for name in AGENTS]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)


def answers(person: MessageHub, place: str, lines: list[str], count: int) -> set[str]:
    """What is answered to the last of these lines, each said once the one before is answered."""
    told: list[str] = []
    for line in lines:
        told = []
        asked = person.send("user_comm", line, conversation_id=place, metadata={"user": 5, "author_name": "Ann"})
        while len(told) < (count if line == lines[-1] else 1):
            assert person.wait(TIMEOUT_SECONDS), f"{line!r} is answered"
            for delivery in person.claim(20):
                person.acknowledge(delivery)
                told += [delivery.message.content] if delivery.message.reply_to == asked.message_id else []
    return set(told)


@pytest.mark.parametrize(
    ("place", "lines", "heard"),
    [
        (TERMINAL, ["/history the bill"], {"How many? Write a number from 1 to 50: /history 20"}),
        (TERMINAL, ["/ask gcp the bill"], {"gcp-monitor: got 'the bill'"}),
        (TERMINAL, ["@oci-monitor restart vm-7"], {"oci-monitor: got 'restart vm-7'"}),
        (TERMINAL, ["@GCP: how are you?"], {"gcp-monitor: got 'how are you?'"}),
        (TERMINAL, ["@gcp @lead hi"], {"gcp-monitor: got 'hi'", "lead: got 'hi'"}),
        (TERMINAL, ["restart VM-7"], {"gcp-monitor: got 'restart VM-7'"}),
        (TERMINAL, ["the bill"], {"gcp-monitor: got 'the bill'", "oci-monitor: got 'the bill'"}),
        (TERMINAL, ["the billing"], {"lead: got 'the billing'"}),
        (TERMINAL, ["@oci-monitor hi", "restart vm-7"], {"oci-monitor: got 'restart vm-7'"}),
        (TERMINAL, ["@oci-monitor hi", "@lead hi", "Hello"], {"lead: got 'Hello'"}),
        (TERMINAL, ["@oci-monitor hi", "/new", "restart vm-7"], {"gcp-monitor: got 'restart vm-7'"}),
        (CHANNEL, ["Hello"], {"oci-monitor: got 'Hello'"}),
        (CHANNEL, ["restart vm-7"], {"gcp-monitor: got 'restart vm-7'"}),
        (CHANNEL, ["@lead restart vm-7"], {"lead: got 'restart vm-7'"}),
        (OTHER_CHANNEL, ["Hello"], {"lead: got 'Hello'"}),
        (TERMINAL, ["Hello"], {"lead: got 'Hello'"}),
    ],
)
@pytest.mark.usefixtures("agents", "user_comm")
def test_the_first_rule_that_fits_decides_who_answers(
    team: Team, ann: MessageHub, place: str, lines: list[str], heard: set[str]
) -> None:
    if place == TERMINAL:
        assert answers(ann, place, lines, len(heard)) == heard
        return
    with MessageHub(team, agent="gateway") as gateway:
        gateway.register("daemon")
        assert answers(gateway, place, lines, len(heard)) == heard


@pytest.mark.usefixtures("agents", "user_comm")
def test_the_same_rules_count_in_a_chat(tmp_path: Path) -> None:
    lines = [
        ("the billing", "lead: got 'the billing'"),
        ("restart vm-7", "gcp-monitor: got 'restart vm-7'"),
        ("Hello", "gcp-monitor: got 'Hello'"),
        ("@oci-monitor hi", "oci-monitor: got 'hi'"),
        ("restart vm-7", "oci-monitor: got 'restart vm-7'"),
        ("/new", "A new conversation. Name an agent to talk to it: @AGENT your text"),
        ("Hello", "lead: got 'Hello'"),
    ]

    typed = "".join(f"{line}\n" for line, _ in lines)
    said = TeamsupCommand(tmp_path, "crew").run("chat", "--team", "crew", stdin=f"/history the bill\n{typed}")

    assert said.stdout.splitlines() == [answer for _, answer in lines]
    assert said.stderr.endswith("teamsup: How many? Write a number from 1 to 50: /history 20\n")


@pytest.mark.parametrize(
    ("greeting", "answer"),
    [
        ("Hello", "Hi there! 👋"),
        ("guten Morgen", "Guten Morgen! 👋"),
        ("Hola!", "¡Hola! 👋"),
        ("bonjour", "Bonjour ! 👋"),
    ],
)
@pytest.mark.usefixtures("user_comm")
def test_without_a_default_agent_people_are_greeted_in_their_language(
    ann: MessageHub, greeting: str, answer: str
) -> None:
    assert answers(ann, TERMINAL, [greeting], 1) == {answer}


@pytest.mark.usefixtures("agents", "user_comm")
def test_a_rule_that_is_saved_counts_from_the_next_line_on(ann: MessageHub, configure: Callable[..., None]) -> None:
    assert answers(ann, TERMINAL, ["Hello"], 1) == {"lead: got 'Hello'"}
    for number, (toml, line, heard) in enumerate(
        [
            ('default_agent = "oci-monitor"\n', "Hello", "oci-monitor: got 'Hello'"),
            ('aliases = { boss = "lead" }\n', "@boss Hello", "lead: got 'Hello'"),
            ('[message_route.x]\npattern = "^He"\nagents = ["gcp-monitor"]\n', "Hello", "gcp-monitor: got 'Hello'"),
        ]
    ):
        configure(toml, progress_seconds=60)
        assert answers(ann, f"{TERMINAL}{number}", [line], 1) == {heard}
