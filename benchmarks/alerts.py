"""How soon an agent has an alert, and how many alerts a second monitor-bridge takes with nothing lost."""

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil

from benchmarks.first_answer import teamsup
from teamsup.hub import MessageHub, Team

SINGLE = 300
PER_SECOND = 1000
SECONDS = 10
CONNECTIONS = 64
TOML = """
[team]
agents = ["lead"]
[monitor-bridge]
listen = "127.0.0.1:{port}"
recipient = "lead"
cpu_percent = 100
load_per_cpu = 0
storm_per_minute = {limit}
[source.script]
kind = "plain"
[worker.gateway]
autostart = false
[worker.user_comm]
autostart = false
"""


def main() -> None:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}; one alert a request, all on disk")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def run(home: Path) -> None:
    team = Team("default", home / "default")
    team.create()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/script"
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        for limit, measure in ((10_000, soon), (20, many)):
            team.configuration.write_text(TOML.format(port=port, limit=limit))
            await asyncio.to_thread(teamsup, home, "start", "--detach")
            try:
                connector = aiohttp.TCPConnector(limit=CONNECTIONS)
                async with aiohttp.ClientSession(connector=connector) as session:
                    await heard(session, address)
                    await measure(lead, session, address)
            finally:
                await asyncio.to_thread(teamsup, home, "stop")


async def soon(lead: MessageHub, session: aiohttp.ClientSession, address: str) -> None:
    """From the beginning of the request until the agent has claimed it."""
    took = []
    for number in range(SINGLE):
        lead.heartbeat()
        arriving = asyncio.create_task(claimed(lead))
        await asyncio.sleep(0.005)
        begin = time.perf_counter()
        asked = asyncio.create_task(post(session, address, f"soon {number}"))
        took.append((await arriving - begin) * 1000)
        await asked
    took.sort()
    p99 = took[round(0.99 * (len(took) - 1))]
    print(f"POST -> agent has it            median {statistics.median(took):.2f} ms, p99 {p99:.2f} ms, n={len(took)}")


async def claimed(lead: MessageHub) -> float:
    """When the next message has been claimed."""
    await lead.wait_async()
    (delivery,) = lead.claim()
    at = time.perf_counter()
    lead.acknowledge(delivery)
    return at


async def many(lead: MessageHub, session: aiohttp.ClientSession, address: str) -> None:
    """So many a second, each a problem of its own."""
    lead.heartbeat()
    answers: Counter[int] = Counter()
    begin = time.perf_counter()

    async def one(number: int) -> None:
        answers[await post(session, address, f"many {number}")] += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(PER_SECOND * SECONDS):
            if (early := begin + number / PER_SECOND - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            tasks.create_task(one(number))
    took = time.perf_counter() - begin
    (stored,) = lead.query("SELECT count(*) FROM incidents WHERE title GLOB 'many *'")[0]
    told = len(lead.queries.peek(1000))
    bridge = lead.find_agent("monitor-bridge")
    memory = psutil.Process(int(bridge.metadata["pid"])).memory_info().rss / 2**20 if bridge is not None else 0.0
    print(
        f"{PER_SECOND} alerts a second for {SECONDS} s    answered {dict(answers)} in {took:.1f} s, stored {stored:,}"
    )
    print(f"what the agent has of them      {told} messages; monitor-bridge has {memory:.0f} MiB in memory")


async def post(session: aiohttp.ClientSession, address: str, title: str) -> int:
    async with session.post(address, data=json.dumps({"title": title})) as answer:
        await answer.read()
        return answer.status


async def heard(session: aiohttp.ClientSession, address: str) -> None:
    while True:
        with suppress(aiohttp.ClientError):
            async with session.get(address.rpartition("/")[0] + "/"):
                return
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    main()
