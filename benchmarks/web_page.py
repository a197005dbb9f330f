"""The page: from a commit until a browser shows it, the first paint with many messages, many open pages, and an idle
worker. Run it with ``PYTHONPATH=tests``; without a browser only the figures of the worker are measured."""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psutil

from helpers.browser import WHY_NO_BROWSER, Browser, open_browser
from helpers.page_server import PageClient, WebProcess, web_process
from teamsup.hub import Message, MessageHub, Team

from .footprint import seconds_used, wakeups_so_far

MESSAGES = 10_000
COMMITS = 150
PAINTS = 15
PAGES = 50
AGENTS = 5
IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", "30"))
CONVERSATION = "bench"
ADDRESS = f"/conversations/{quote(CONVERSATION, safe='')}"
HEARTBEAT_SECONDS = 5.0

# A page notes when each message is in its document. The next frame shows it: that is the time of a frame's callback.
NOTE_VISIBLE = """
window.seen = {};
const look = () => {
  for (const found of document.querySelector("main").innerText.matchAll(/visible-(\\d+)-/g)) {
    if (!(found[1] in seen)) { seen[found[1]] = 0; requestAnimationFrame(() => seen[found[1]] = Date.now()); }
  }
};
const all = {childList: true, subtree: true, characterData: true};
new MutationObserver(look).observe(document.querySelector("main"), all);
"""
FIRST_PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def main() -> None:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}; {MESSAGES:,} messages in a team")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        team = Team("crew", Path(folder) / "crew")
        with MessageHub(team, agent="lead", durability="normal") as hub:
            hub.register()
            # In a team the supervisor watches for foreign writers, not the page's worker.
            hub.start_watcher()
            for number in range(AGENTS):
                hub.enroll(f"agent-{number}")
            with MessageHub(team, agent="agent-0", durability="normal") as reader:
                for start in range(0, MESSAGES, 500):
                    with hub.transaction():
                        sent = [send(hub, f"message {number} of a long talk") for number in range(start, start + 500)]
                    with reader.transaction():
                        for message in sent:
                            reader.complete_unclaimed(message, outcome="done")
            with web_process(team) as web, heartbeats(team):
                run(web, hub)


def run(web: WebProcess, hub: MessageHub) -> None:
    assert web.process is not None
    worker = psutil.Process(web.process.pid)
    percent, wakeups = share_and_wakeups(worker.pid, IDLE_SECONDS)
    print(
        f"no page open: {memory(worker):.1f} MiB, {percent:.3f} % of a core, {wakeups:.1f} wake-ups a second,"
        f" {IDLE_SECONDS:.0f} s; {bare_wakeup_microseconds():.0f} µs for a bare wake-up here"
    )
    if WHY_NO_BROWSER:
        print(f"no browser: {WHY_NO_BROWSER}")
    else:
        with open_browser() as browser:
            browser.open(web.link())
            browser.wait_for("live since", "#liveness")
            measure_paint(browser, web)
            measure_commits(browser, web, hub)
    measure_many(web, worker)


def measure_paint(browser: Browser, web: WebProcess) -> None:
    """The first paint of a conversation with all messages, from the moment that the address is opened."""
    for name, path in (("the team", "/"), ("a conversation", ADDRESS)):
        took = []
        for _ in range(PAINTS):
            browser.open(web.address + path)
            browser.wait_until(lambda: browser.run(FIRST_PAINT), "a paint")
            took.append(float(browser.run(FIRST_PAINT)))
        print(
            f"first paint of {name:16} median {statistics.median(took):5.0f} ms  max {max(took):5.0f} ms   n={PAINTS}"
        )


def measure_commits(browser: Browser, web: WebProcess, hub: MessageHub) -> None:
    """From the end of a commit until the frame that shows it, in a conversation."""
    browser.open(web.address + ADDRESS)
    browser.wait_for("live since", "#liveness")
    browser.run(NOTE_VISIBLE)
    committed = {}
    for number in range(COMMITS):
        send(hub, f"visible-{number}-")
        committed[number] = time.time() * 1000
        # A busy team; not in step with anything that looks at intervals.
        time.sleep(random.uniform(0.2, 0.6))  # noqa: S311
    browser.wait_until(
        lambda: len(browser.run("return Object.values(seen).filter(Boolean)")) == COMMITS, "all messages"
    )
    seen = {int(number): float(at) for number, at in browser.run("return seen").items()}
    took = sorted(seen[number] - at for number, at in committed.items())
    p99 = took[int(len(took) * 0.99)]
    print(
        f"commit → visible                median {statistics.median(took):5.0f} ms  p99 {p99:5.0f} ms"
        f"  max {took[-1]:5.0f} ms   n={COMMITS}"
    )


def measure_many(web: WebProcess, worker: psutil.Process) -> None:
    """Many open pages that fetch as the script does, while only heartbeats are stored."""
    client = PageClient(web.port)
    assert client.sign_in(web.link().partition("#")[2]).status == 303
    asyncio.run(follow_many(web, client.cookies, worker))


async def follow_many(web: WebProcess, cookies: dict[str, str], worker: psutil.Process) -> None:
    fetched: list[str] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(web.address, connector=connector, cookies=cookies) as session:
        pages = [asyncio.create_task(follow(session, fetched)) for _ in range(PAGES)]
        await asyncio.sleep(3)
        fetched.clear()
        used, _ = await asyncio.to_thread(share_and_wakeups, worker.pid, IDLE_SECONDS)
        print(
            f"{PAGES} pages of the team open: {memory(worker):.1f} MiB, {used:.2f} % of a core,"
            f" {len(fetched) / IDLE_SECONDS / PAGES:.2f} fetches a second and page, {IDLE_SECONDS:.0f} s"
        )
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)


async def follow(session: aiohttp.ClientSession, fetched: list[str]) -> None:
    """Follow the page of the team as a browser does."""
    import json

    async with session.get("/?stream=1", timeout=aiohttp.ClientTimeout(total=None)) as stream:
        assert stream.status == 200
        async for line in stream.content:
            if line.startswith(b"data: ") and b'"id"' in line:
                region = json.loads(line[6:])["id"]
                async with session.get(f"/?region={region}") as answer:
                    await answer.read()
                fetched.append(region)


@contextmanager
def heartbeats(team: Team) -> Iterator[None]:
    """Agents that do nothing but send heartbeats, as workers do."""
    ended = threading.Event()

    def beat(number: int) -> None:
        with MessageHub(team, agent=f"agent-{number}", durability="normal") as hub:
            hub.register()
            while not ended.wait(HEARTBEAT_SECONDS):
                hub.heartbeat()

    threads = [threading.Thread(target=beat, args=[number]) for number in range(AGENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def send(hub: MessageHub, text: str) -> Message:
    return hub.send("agent-0", text, conversation_id=CONVERSATION)


def memory(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def share_and_wakeups(pid: int, seconds: float) -> tuple[float, float]:
    """The share of a core that a process uses, in percent, and how often its threads begin to run after a wait."""
    used, wakeups = seconds_used(pid), wakeups_so_far(pid)
    time.sleep(seconds)
    return (seconds_used(pid) - used) / seconds * 100, (wakeups_so_far(pid) - wakeups) / seconds


def bare_wakeup_microseconds() -> float:
    """What a wake-up costs on this machine at this time. On a busy one it is several times as much."""
    used = seconds_used(os.getpid())
    for _ in range(50):
        time.sleep(0.1)
    return (seconds_used(os.getpid()) - used) / 50 * 1e6


if __name__ == "__main__":
    main()
