"""Parse one line of a client: it is a message for the SDK, or contains requests to refuse. Pure.

The SDK drops a line that it cannot parse, and treats a request with an odd id as a notification. The client would then
wait forever. So this module reads the ids in such a line.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mcp.types import INVALID_PARAMS, PARSE_ERROR, JSONRPCMessage, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError

MAX_LINE_BYTES = 2 * 2**20
"""The maximum number of bytes of a line. The hub's largest message fits, even if JSON needs six bytes for each byte."""

_KEPT_EDGE_BYTES = 64 * 2**10
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rf'{_STRING}?|[{{}}\[\],:]|[^\s"{{}}\[\],:]++', re.DOTALL)
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_ID = re.compile(f"{_STRING}|{_NUMBER}", re.DOTALL)
_LAST_ID = re.compile(rf'(?<!\\)"id"\s*:\s*({_STRING}|{_NUMBER})\s*\}}\s*$', re.DOTALL)
_SURROGATE_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_SURROGATE = re.compile(rf"{_SURROGATE_PAIR}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{{2}})|\\.", re.DOTALL)
_REQUEST_HINT = (
    'This is not a JSON-RPC 2.0 request. It needs "jsonrpc": "2.0", an id (text or whole number), a method (text) '
    "and params (an object). Send each request on a separate line."
)


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One line. Of a line that is too long, it contains only the beginning and the end."""

    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class RpcErrorResponse:
    """The answer to a request that cannot be served. ``request`` is the id of the request, in the JSON that its client
    wrote.
    """

    request_id: str
    code: int
    message: str

    def __str__(self) -> str:
        error = json.dumps({"code": self.code, "message": self.message})
        return f'{{"jsonrpc":"2.0","id":{self.request_id},"error":{error}}}'


class LineSplitter:
    """Split arriving bytes into lines, in bounded memory."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_cut = False

    def feed(self, received: bytes) -> Iterator[RequestLine]:
        *ends, rest = received.split(b"\n")
        for end in ends:
            self._append(end)
            yield self.take_line()
        self._append(rest)

    def take_line(self) -> RequestLine:
        """Return the received part of the current line, and begin the next."""
        line = RequestLine(self._line.decode(errors="replace"), self._is_cut)
        self._line.clear()
        self._is_cut = False
        return line

    def _append(self, part: bytes) -> None:
        self._line += part
        self._is_cut = self._is_cut or len(self._line) > MAX_LINE_BYTES
        if self._is_cut:
            del self._line[_KEPT_EDGE_BYTES:-_KEPT_EDGE_BYTES]


def parse_line(line: RequestLine) -> JSONRPCMessage | list[RpcErrorResponse]:
    """Return the line's message, with U+FFFD for each lone surrogate, or a refusal for each id in it."""
    if line.is_cut:
        sentence = f"The request is longer than {MAX_LINE_BYTES:,} bytes. Send less at once."
        return [RpcErrorResponse(request, PARSE_ERROR, sentence) for request in _find_ids_of_cut(line.text)]
    text = line.text
    message = _validate(text)
    if isinstance(message, ValidationError):
        whole = _SURROGATE.sub(_replace_surrogate, text)
        # The answer must have exactly the id that its client waits for.
        if whole != text and request_ids(whole) == request_ids(text):
            message = _validate(whole)
    if isinstance(message, JSONRPCRequest):
        return message
    refusals = [RpcErrorResponse(request, *_explain_error(message)) for request in request_ids(text)]
    return refusals if refusals or isinstance(message, ValidationError) else message


def request_ids(text: str) -> list[str]:
    """Return the ids of the requests in a text, unchanged. The text may be invalid JSON."""
    return [fields["id"] for fields in _iterate_objects(text) if _is_request(fields)]


def _validate(text: str) -> JSONRPCMessage | ValidationError:
    try:
        return jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValidationError as error:
        return error


def _explain_error(message: JSONRPCMessage | ValidationError) -> tuple[int, str]:
    if isinstance(message, ValidationError):
        for error in message.errors(include_url=False, include_input=False):
            if error["type"] == "json_invalid":
                return PARSE_ERROR, f"The request cannot be parsed. {error['msg'][:200]}."
    return INVALID_PARAMS, _REQUEST_HINT


def _is_request(fields: dict[str, str]) -> bool:
    is_answer = "method" not in fields and ("result" in fields or "error" in fields)
    return not is_answer and _ID.fullmatch(fields.get("id", "")) is not None and _is_json(fields["id"])


def _iterate_objects(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each outermost object, even in a batch. Of a nested value, yield only the opening bracket."""
    depth = level = 0
    fields: dict[str, str] = {}
    key, is_value = "", False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if depth == level + 1:
            if word in ",:":
                is_value = word == ":"
            elif is_value:
                fields[key], is_value = word, False
            else:
                key = _decode(word)
        if word in "{[":
            if depth == 0:
                level = int(word == "[")
            depth += 1
        elif word in "}]":
            depth = max(0, depth - 1)
            if depth == level:
                yield fields
                fields = {}
    yield fields


def _find_ids_of_cut(text: str) -> list[str]:
    # A value that ends with a comma is complete.
    beginning = text[:_KEPT_EDGE_BYTES].rpartition(",")[0]
    if found := request_ids(beginning):
        return found[:1]
    last = _LAST_ID.search(text[-_KEPT_EDGE_BYTES:])
    return [last[1]] if last and _is_json(last[1]) else []


def _replace_surrogate(escape: re.Match[str]) -> str:
    return "\\ufffd" if escape["half"] else escape[0]


def _is_json(text: str) -> bool:
    return text[0] != '"' or _decode(text) != text


def _decode(word: str) -> str:
    if word[0] != '"':
        return word
    try:
        return str(json.loads(word))
    except ValueError:
        return word
