"""A model that says what a test tells it to: the Messages API on loopback, as far as Claude Code uses it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    """The model calls a tool."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


ModelStep = str | ToolCall | Callable[[], "str | ToolCall"]
"""One answer of the model: a text, which ends its turn, or a call; or what to do before saying which."""
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
    def is_finished(self) -> bool:
        """Whether every script has come to its end."""
        return not any(self._scripts.values())

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The content block with which the model answers."""
        if not request.get("tools"):
            # Titles, summaries and the like.
            return {"type": "text", "text": "{}"}
        with self._lock:
            self.offered.update(tool["name"] for tool in request["tools"])
            self._received.append("\n".join(_texts(request["messages"])))
            system = "\n".join(_texts(request.get("system")))
            agent = next((name for name in self._scripts if name and f"You are {name}" in system), "")
            step = self._scripts[agent].pop(0) if self._scripts.get(agent) else "There is nothing more in the script."
            self._calls += 1
            number = self._calls
        said = step() if callable(step) else step
        if isinstance(said, str):
            return {"type": "text", "text": said}
        return {"type": "tool_use", "id": f"toolu_{number:08}", "name": said.tool, "input": dict(said.arguments)}


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
        block = self.server.answer(request)
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": request.get("model", "scripted"),
            "content": [block],
            "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        if request.get("stream"):
            self._send("".join(_events(message)).encode(), "text/event-stream")
        else:
            self._send(json.dumps(message).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _events(message: dict[str, Any]) -> Iterator[str]:
    """The message as a stream of server-sent events, its one block in one piece."""
    (block,) = message["content"]
    if block["type"] == "text":
        begun = block | {"text": ""}
        piece = {"type": "text_delta", "text": block["text"]}
    else:
        begun = block | {"input": {}}
        piece = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    for name, event in (
        ("message_start", {"message": message | {"content": [], "stop_reason": None}}),
        ("content_block_start", {"index": 0, "content_block": begun}),
        ("content_block_delta", {"index": 0, "delta": piece}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": stop, "usage": {"output_tokens": 1}}),
        ("message_stop", {}),
    ):
        yield f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n"
