"""From just before a send to the moment the other process has it: every method in one run, on the same machine.

A machine has quicker and slower minutes, so every method has its turn in every one of several rounds.
"""

import math
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .methods import METHODS, Method, Missing

ROUNDS = 5
WARM_UP = 10
CONTENT = 200  # bytes
PLOT = Path(__file__).parents[1] / "docs" / "latency.svg"


@dataclass
class Sample:
    """Milliseconds of each message, of all rounds: until the reader has it, and until it has also acknowledged it."""

    method: Method
    arrived: list[float]
    acknowledged: list[float]


@dataclass(frozen=True)
class Figure:
    """Milliseconds: until the reader has it, and until it has also acknowledged it."""

    name: str
    durable: bool
    arrived: tuple[float, float]
    acknowledged: tuple[float, float]


def measure(kind: type[Method]) -> Sample:
    """One round."""
    with tempfile.TemporaryDirectory() as folder:
        method = kind(Path(folder))
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        receiver = None
        try:
            method.prepare()
            messages = method.messages // ROUNDS
            count = messages + (WARM_UP if messages > WARM_UP * 2 else 1)
            receiver = multiprocessing.get_context("spawn").Process(
                target=receive_all, args=(kind, method.address, theirs, count), daemon=True
            )
            receiver.start()
            ours.recv()
            send = method.sender()
            chance = random.Random(0)  # noqa: S311
            time.sleep(0.3)  # until the receiver waits
            for _ in range(count):
                send(f"{time.monotonic_ns():<{CONTENT}}")
                time.sleep(chance.uniform(method.pause / 2, method.pause))
            arrived, acknowledged = ours.recv()
            return Sample(method, arrived[-messages:], acknowledged[-messages:])
        finally:
            if receiver is not None:
                receiver.kill()
                receiver.join()
            method.close()


def receive_all(kind: type[Method], address: Any, results: Connection, count: int) -> None:  # noqa: ANN401
    """Send "up" when the receiver is there, then the milliseconds of all messages."""
    arrived: list[float] = []
    acknowledged: list[float] = []
    incoming = kind.receive(address)
    results.send("up")
    sent = 0
    for content in incoming:
        now = time.monotonic_ns()
        if content is None:
            acknowledged.append((now - sent) / 1e6)
            if len(acknowledged) == count:
                break
        else:
            sent = int(content)
            arrived.append((now - sent) / 1e6)
    results.send((arrived, acknowledged))


def both(milliseconds: list[float]) -> tuple[float, float]:
    ordered = sorted(milliseconds)
    return statistics.median(ordered), ordered[round(0.99 * (len(ordered) - 1))]


def run() -> list[Figure]:
    """Measure every method that is there, show the table and draw the plot."""
    samples: dict[type[Method], Sample] = {}
    missing: dict[type[Method], Missing] = {}
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        for kind in METHODS:
            if kind in missing:
                continue
            try:
                sample = measure(kind)
            except Missing as error:
                missing[kind] = error
                continue
            if kind in samples:
                samples[kind].arrived += sample.arrived
                samples[kind].acknowledged += sample.acknowledged
            else:
                samples[kind] = sample
    title = "one message of 200 bytes, process to process, ms"
    print(f"{title:51} {'arrived':>8} {'p99':>8} {'acknowl.':>9} {'p99':>8}  durable")
    for kind, why in missing.items():
        print(f"{kind.name:51} {why}")
    figures = []
    for sample in samples.values():
        figure = Figure(sample.method.name, sample.method.durable, both(sample.arrived), both(sample.acknowledged))
        figures.append(figure)
        arrived, acknowledged = figure.arrived, figure.acknowledged
        print(
            f"{figure.name:51} {arrived[0]:8.2f} {arrived[1]:8.2f} {acknowledged[0]:9.2f} {acknowledged[1]:8.2f}"
            f"  {'yes' if figure.durable else 'no'}"
        )
    return figures


def compare(figures: list[Figure]) -> None:
    """The ratios that matter."""
    by_name = {figure.name: figure for figure in figures}
    pairs = (
        ("teamsup hub, durability normal", "WebSocket, through a hub process"),
        ("teamsup hub, durability normal", "WebSocket, through a hub process, asyncio"),
        ("teamsup hub, durability full", "Redis stream with a group, appendfsync always"),
        ("teamsup hub, durability full", "NATS JetStream, file storage, sync_interval always"),
    )
    for ours, theirs in pairs:
        if ours in by_name and theirs in by_name:
            arrived = by_name[ours].arrived[0] / by_name[theirs].arrived[0]
            acknowledged = by_name[ours].acknowledged[0] / by_name[theirs].acknowledged[0]
            print(f"{ours} / {theirs}: arrived {arrived:.2f}, acknowledged {acknowledged:.2f} (medians)")


def plot(figures: list[Figure]) -> str:
    """The medians as an SVG, on a logarithmic scale from 0.1 ms to 1 s."""
    left, width, row = 370, 380, 22
    height = row * len(figures) + 46
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/><text x="8" y="16">Median milliseconds until the other'
        " process has the message. Dark: it is durable. Red: teamsup.</text>",
    ]

    def place(milliseconds: float) -> float:
        return left + width * (math.log10(max(milliseconds, 0.1)) + 1) / 4

    for power in range(-1, 4):
        x = place(10.0**power)
        lines.append(f'<line x1="{x}" x2="{x}" y1="24" y2="{height - 18}" stroke="#ddd"/>')
        lines.append(f'<text x="{x}" y="{height - 5}" text-anchor="middle" fill="#666">{10.0**power:g}</text>')
    for number, figure in enumerate(figures):
        y = 28 + row * number
        colour = ("#1f5f99" if figure.durable else "#9ec5e8") if "teamsup" not in figure.name else "#c05020"
        name = figure.name.replace("&", "&amp;").replace(">", "&gt;")
        end = place(figure.arrived[0])
        lines.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="15" fill="{colour}"/>')
        lines.append(f'<text x="{end + 5:.1f}" y="{y + 12}">{figure.arrived[0]:.2f}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    measured = run()
    compare(measured)
    PLOT.write_text(plot(measured))
