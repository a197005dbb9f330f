"""A model that says what a test tells it to: the Messages API on loopback, as far as Claude Code uses it."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    """The model calls a tool."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ApiFailure:
    """The API refuses this request."""

    status: int
    kind: str = "api_error"
    text: str = "scripted failure"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = str | ToolCall | Sequence[ToolCall] | ApiFailure
"""A text, which ends the model's turn, a call, several calls in one message, or a failure."""
ModelStep = Answer | Callable[[], Answer]
"""One answer, or what to do before giving it."""
Script = Sequence[ModelStep]
Scripts = Mapping[str, Script]


class ScriptedModel(ThreadingHTTPServer):
    """Goes through the steps of a script, one a request. Every agent type has its own; the session's is ""."""

    daemon_threads = True

    def __init__(self, scripts: Scripts) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.offered: set[str] = set()
        """The names of all tools that were offered."""
        self._scripts = {agent: list(steps) for agent, steps in scripts.items()}
        self._received: list[str] = []
        self._calls = 0
        self._lock = threading.Lock()
        self.wait_first: Callable[[], object] = lambda: None
        """What must be there before the first answer."""

    def __enter__(self) -> "ScriptedModel":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def received(self) -> str:
        """Everything that was said to the model, in tool results too."""
        return "\n".join(self._received)

    @property
    def last_request(self) -> str:
        """Everything that was said to the model in its last request."""
        return self._received[-1]

    @property
    def is_finished(self) -> bool:
        """Whether every script has come to its end."""
        return not any(self._scripts.values())

    def answer(self, request: Mapping[str, Any]) -> list[dict[str, Any]] | ApiFailure:
        """The content blocks with which the model answers."""
        if not request.get("tools"):
            # Titles, summaries and the like.
            return [{"type": "text", "text": "{}"}]
        self.wait_first()
        with self._lock:
            self.offered.update(tool["name"] for tool in request["tools"])
            self._received.append("\n".join(_texts(request["messages"])))
            system = "\n".join(_texts(request.get("system")))
            agent = next((name for name in self._scripts if name and f"You are {name}" in system), "")
            step = self._scripts[agent].pop(0) if self._scripts.get(agent) else "There is nothing more in the script."
            self._calls += 1
            number = self._calls
        said = step() if callable(step) else step
        if isinstance(said, ApiFailure):
            return said
        if isinstance(said, str):
            return [{"type": "text", "text": said}]
        calls = [said] if isinstance(said, ToolCall) else said
        return [
            {"type": "tool_use", "id": f"toolu_{number:08}{at}", "name": each.tool, "input": dict(each.arguments)}
            for at, each in enumerate(calls)
        ]


def _texts(content: object) -> Iterator[str]:
    """All text in a part of a request, however deep."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)
    elif isinstance(content, dict):
        for key in ("text", "content"):
            yield from _texts(content.get(key))


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedModel

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send(b"", "application/json")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if self.path.partition("?")[0] != "/v1/messages":
            self._send(b'{"input_tokens": 1}', "application/json")
            return
        blocks = self.server.answer(request)
        if isinstance(blocks, ApiFailure):
            error = {"type": "error", "error": {"type": blocks.kind, "message": blocks.text}}
            self._send(json.dumps(error).encode(), "application/json", blocks.status, blocks.headers)
            return
        message = {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": request.get("model", "scripted"),
            "content": blocks,
            "stop_reason": "tool_use" if blocks[0]["type"] == "tool_use" else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        if request.get("stream"):
            self._send("".join(_events(message)).encode(), "text/event-stream")
        else:
            self._send(json.dumps(message).encode(), "application/json")

    def _send(self, body: bytes, kind: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _events(message: dict[str, Any]) -> Iterator[str]:
    """The message as a stream of server-sent events, each block in one piece."""
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": message | {"content": [], "stop_reason": None}})
    ]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            begun = block | {"text": ""}
            piece = {"type": "text_delta", "text": block["text"]}
        else:
            begun = block | {"input": {}}
            piece = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events += [
            ("content_block_start", {"index": index, "content_block": begun}),
            ("content_block_delta", {"index": index, "delta": piece}),
            ("content_block_stop", {"index": index}),
        ]
    events += [("message_delta", {"delta": stop, "usage": {"output_tokens": 1}}), ("message_stop", {})]
    for name, event in events:
        yield f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n"
