"""Our MCP server beside a bare SDK server with one empty tool: start, calls, memory, and eight of each at once.

Ours both as a program and beside a running team, whose fork server forks it. And how soon a read that waits has what
somebody sends, and what a hook costs.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import psutil

from teamsup.config.components import installed_components
from teamsup.hub import MessageHub, Team

from .first_answer import show, timed

STARTS = 21
CALLS = 1000
SEND = "team_send_message"
CALLS_PER_SEND = 20
"""A session may send 60 messages a minute, so not each round of calls sends one."""
AT_ONCE = 8
ROUNDS = 9
WAKE_UPS = 300
MOST_START = 1.25
"""Times the bare server's."""
MOST_FORKED_START = 60.0
"""Milliseconds."""
MOST_FORKED_MEMORY = 22.0
"""MiB of a session, its launcher included and shared pages divided, where several sessions share them."""
MOST_CALL = 1.0
"""Milliseconds more than the bare server's."""
MOST_WAKE_UP = 5.0
"""Milliseconds."""
MOST_HOOK = 60.0
"""Milliseconds."""
HOOKS = 100
_HOOK = Path(__file__).parent.parent / "deploy" / "claude" / "hook.py"
_TEAMSUP = str(Path(sys.executable).with_name("teamsup"))
_ONLY_FORK_SERVER = "".join(
    f"[worker.{name}]\nautostart = false\n" for name in installed_components() if name != "fork-server"
)

_INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


@dataclass(frozen=True)
class Peer:
    name: str
    command: tuple[str, ...]
    first: str
    """The tool that is called first."""


_MCP = ("mcp", "--team", "bench", "--agent")
_PLUGIN = ("sh", str(_HOOK.with_name("python.sh")), str(_HOOK.with_name("launcher.py")), _TEAMSUP)
BARE = Peer("bare SDK server", (sys.executable, "-m", "benchmarks.bare_mcp_server"), "empty")
THREADED = Peer("bare SDK server, def", (*BARE.command, "def"), "empty")
OURS = Peer("teamsup mcp", (sys.executable, "-m", "teamsup.cli", *_MCP), "team_read_messages")
FORKED = Peer("teamsup mcp, forked", (*_PLUGIN, *_MCP), "team_read_messages")


@dataclass(frozen=True)
class Memory:
    """MiB: all that is mapped, and that with shared pages divided among those who share them."""

    resident: float = 0.0
    share: float = 0.0

    @classmethod
    def of(cls, pid: int) -> "Memory":
        info = psutil.Process(pid).memory_full_info()
        # Only Linux knows the share; elsewhere, what is its own comes nearest.
        return cls(info.rss / 2**20, getattr(info, "pss", info.uss) / 2**20)

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.resident + other.resident, self.share + other.share)


class Server:
    """One server, with a client that costs little and the same to all: lines of JSON, one question at a time."""

    def __init__(self, peer: Peer, home: Path, agent: str = "lead") -> None:
        self.peer = peer
        self._home, self._agent = home, agent
        self._count = 0
        # Ours listens there for its session's hooks, one server a session; here all sessions would be this process.
        own = home / "tmp" / agent
        own.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [*peer.command, *([agent] if peer in (OURS, FORKED) else [])],
            env={
                **os.environ,
                "TEAMSUP": _TEAMSUP,
                "TEAMSUP_FORK_SERVER": "on" if peer is FORKED else "off",
                "TEAMSUP_HOME": str(home),
                "XDG_RUNTIME_DIR": str(own),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it as a client does, by the end of its input."""
        try:
            self._stdin.close()
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._stdout.close()

    def answer_first(self) -> None:
        self._ask("initialize", _INITIALIZE)
        self.result()
        self._tell({"method": "notifications/initialized"})
        self.call(self.peer.first)

    def call(self, tool: str, **arguments: object) -> None:
        self.begin(tool, **arguments)
        self.result()

    def begin(self, tool: str, **arguments: object) -> None:
        self._ask("tools/call", {"name": tool, "arguments": arguments})

    def result(self) -> None:
        """Wait for the answer to what was asked last."""
        for line in self._stdout:
            answer = json.loads(line)
            if answer.get("id") == self._count:
                assert "result" in answer, answer
                assert not answer["result"].get("isError"), answer
                return
        raise RuntimeError(f"{self.peer.name} ended without an answer")

    def memory(self) -> Memory:
        """Of a forked server its launcher's too."""
        memory = Memory.of(self._process.pid)
        if self.peer is not FORKED:
            return memory
        with MessageHub(Team("bench", self._home / "bench")) as hub:
            found = hub.find_agent(self._agent)
        assert found is not None
        assert found.metadata["pid"] != self._process.pid, "the fork server has not served it"
        return memory + Memory.of(found.metadata["pid"])

    def _ask(self, method: str, params: dict[str, Any]) -> None:
        self._count += 1
        self._tell({"id": self._count, "method": method, "params": params})

    def _tell(self, message: dict[str, Any]) -> None:
        self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._stdin.flush()


def starts(home: Path) -> None:
    """One at a time, each after the other kind's."""
    figures = _start_in_turn(home, 1, STARTS)[0]
    for peer, milliseconds in figures.items():
        show(f"{peer.name}: start -> first answer", milliseconds)
    _compare_starts(figures)
    median = statistics.median(figures[FORKED])
    print(f"{FORKED.name}: target: at most {MOST_FORKED_START:.0f} ms: {_verdict(median, MOST_FORKED_START)}")


def eight_at_once(home: Path) -> None:
    figures, memories = _start_in_turn(home, AT_ONCE, ROUNDS)
    for peer, milliseconds in figures.items():
        show(f"{AT_ONCE} x {peer.name}: start -> last first answer", milliseconds)
    _compare_starts(figures)
    print(f"\nmemory of all {AT_ONCE}, each after one call:")
    _compare_memory(memories)
    share = memories[FORKED].share / AT_ONCE
    print(
        f"{FORKED.name}: {share:.1f} MiB a session with its launcher (target: at most {MOST_FORKED_MEMORY:.0f}: "
        f"{_verdict(share, MOST_FORKED_MEMORY)}), {share / memories[BARE].share * AT_ONCE:.2f} of the bare server's\n"
    )


def calls(home: Path) -> None:
    """One of each kind in turn, so that what else the machine does meets all alike."""
    with Server(BARE, home) as bare, Server(THREADED, home) as threaded, Server(OURS, home) as ours:
        for server in (bare, threaded, ours):
            server.answer_first()
        floors: dict[str, Callable[[], object]] = {
            f"{BARE.name}, empty call": partial(bare.call, "empty"),
            f"{THREADED.name}, empty call": partial(threaded.call, "empty"),
        }
        verbs: dict[str, Callable[[], object]] = {
            "team_read_messages, nothing there": partial(ours.call, "team_read_messages"),
            "team_get_status": partial(ours.call, "team_get_status"),
            SEND: partial(ours.call, SEND, recipient="scout", content="x" * 200),
        }
        figures: dict[str, list[float]] = {kind: [] for kind in (*floors, *verbs)}
        for number in range(-CALLS // 10, CALLS):
            for kind, call in {**floors, **verbs}.items():
                if kind == SEND and number % CALLS_PER_SEND:
                    continue
                milliseconds = timed(call)
                if number >= 0:
                    figures[kind].append(milliseconds)
        memories = {server.peer: server.memory() for server in (bare, ours)}
    for kind, taken in figures.items():
        show(kind, taken)
    medians = {kind: statistics.median(taken) for kind, taken in figures.items()}
    floor = medians[next(iter(floors))]
    for kind in verbs:
        print(f"{kind}: {medians[kind] - floor:+.2f} ms beside the bare call (target: at most {MOST_CALL:+.2f})")
    print("\nmemory after these calls:")
    _compare_memory(memories)


def wake_ups(home: Path, scout: MessageHub) -> None:
    figures = []
    with Server(OURS, home) as server:
        server.answer_first()
        for _ in range(WAKE_UPS):
            server.begin("team_read_messages", wait_seconds=60)
            while not list(scout.team.run.glob("lead@*")):
                time.sleep(0.001)
            time.sleep(0.005)  # until it sleeps
            figures.append(timed(partial(_send_and_see, scout, server)))
    show("a send -> the waiting read has returned", figures)
    print(f"target: median at most {MOST_WAKE_UP:.0f} ms, the send's own time included\n", flush=True)


def hooks(home: Path, scout: MessageHub) -> None:
    """From the start of a hook's process to its end, as Claude Code waits for it; each announces a message."""
    given = json.dumps({"hook_event_name": "PostToolUse", "tool_response": "x" * 2000}).encode()
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(home / "tmp" / "lead"),
        "CLAUDE_PID": str(os.getpid()),
        "TEAMSUP": sys.executable,
    }
    heard = []

    def hook() -> None:
        ran = subprocess.run(
            ["sh", _HOOK.with_name("python.sh"), _HOOK], input=given, capture_output=True, env=environment, check=True
        )
        heard.append(ran.stdout)

    figures = []
    with Server(OURS, home) as server:
        server.answer_first()
        for _ in range(HOOKS):
            scout.send("lead", "x" * 200)
            figures.append(timed(hook))
    assert all(b"1 message waits" in answer for answer in heard[1:])
    show("a hook, from its start to its end", figures)
    print(f"target: less than {MOST_HOOK:.0f} ms\n", flush=True)


def _send_and_see(scout: MessageHub, server: Server) -> None:
    scout.send("lead", "x" * 200)
    server.result()


def _start_in_turn(home: Path, at_once: int, rounds: int) -> tuple[dict[Peer, list[float]], dict[Peer, Memory]]:
    """Milliseconds until the last of them has answered first, and their memory then; the first round is not counted."""
    figures: dict[Peer, list[float]] = {BARE: [], OURS: [], FORKED: []}
    memories: dict[Peer, Memory] = {}
    for number in range(-1, rounds):
        for peer, taken in figures.items():
            with contextlib.ExitStack() as stack:
                servers: list[Server] = []
                milliseconds = timed(partial(_start, peer, home, at_once, servers, stack))
                memories[peer] = sum((server.memory() for server in servers), Memory())
            if number >= 0:
                taken.append(milliseconds)
    return figures, memories


def _start(peer: Peer, home: Path, at_once: int, servers: list[Server], stack: contextlib.ExitStack) -> None:
    servers += [stack.enter_context(Server(peer, home, f"agent-{number}")) for number in range(at_once)]
    if at_once == 1:
        servers[0].answer_first()
        return
    with ThreadPoolExecutor(at_once) as clients:
        list(clients.map(Server.answer_first, servers))


def _compare_starts(figures: dict[Peer, list[float]]) -> None:
    ratio = statistics.median(figures[OURS]) / statistics.median(figures[BARE])
    print(f"{OURS.name} / {BARE.name}: {ratio:.2f} (target: at most {MOST_START})", flush=True)
    forked = statistics.median(figures[FORKED])
    print(f"{FORKED.name} / {BARE.name}: {forked / statistics.median(figures[BARE]):.2f}", flush=True)


def _verdict(figure: float, most: float) -> str:
    return "holds" if figure <= most else "does not hold"


def _compare_memory(memories: dict[Peer, Memory]) -> None:
    for peer, memory in memories.items():
        print(f"{peer.name:24} {memory.resident:7.1f} MiB resident, {memory.share:7.1f} MiB with shared pages divided")
    ours, bare = memories[OURS], memories[BARE]
    ratios = ours.resident / bare.resident, ours.share / bare.share
    print(f"{OURS.name} / {BARE.name}: {ratios[0]:.2f}, {ratios[1]:.2f}\n", flush=True)


@contextlib.contextmanager
def _team_of_fork_server(team: Team) -> Iterator[int]:
    """A running team of nothing but the fork server; its pid."""
    team.configuration.write_text(_ONLY_FORK_SERVER)
    teamsup = partial(
        subprocess.run, env={**os.environ, "TEAMSUP_HOME": str(team.folder.parent)}, capture_output=True, check=True
    )
    teamsup([_TEAMSUP, "start", "--detach", "--team", team.name])
    try:
        while not (team.run / "fork-server").exists():
            time.sleep(0.01)
        found = json.loads(teamsup([_TEAMSUP, "ps", "fork-server", "--json", "--team", team.name]).stdout)
        yield found["rows"][0]["pid"]
    finally:
        teamsup([_TEAMSUP, "stop", "--team", team.name])


def run() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}\n")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with MessageHub(Team("bench", home / "bench"), agent="scout") as scout:
            scout.register()
            with _team_of_fork_server(scout.team) as parent:
                starts(home)
                print()
                wake_ups(home, scout)
                hooks(home, scout)
                calls(home)
                eight_at_once(home)
                alone = Memory.of(parent)
                print(f"the fork server without a session: {alone.share:.1f} MiB with shared pages divided")


if __name__ == "__main__":
    run()
