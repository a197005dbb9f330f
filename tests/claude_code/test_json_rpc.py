"""Every request with a readable id gets one answer: a real server on its stdin and stdout."""

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, clean_environment, run_foreign_sql
from teamsup.claude_code.json_rpc import MAX_LINE_BYTES, LineSplitter, RequestLine, parse_line, request_ids
from teamsup.hub import MessageHub, Team

HALF = "\\ud83d"
DEEP = "[" * 5000 + "]" * 5000
MANY_DIGITS = "7" * 10_000
CALL = '{"name":"team_get_status","arguments":{}}'
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "a client", "version": "1"},
}


class RawSession:
    """A client that writes lines, and keeps what comes back by its id."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self._names = itertools.count(1)
        self._answers: dict[object, list[dict[str, Any]]] = {}
        self._came = threading.Condition()
        self.server = subprocess.Popen(
            TeamsupCommand.line("mcp", "--team", team.name, "--agent", "lead"),
            env={
                **clean_environment(),
                "TEAMSUP_HOME": str(team.folder.parent),
                "XDG_RUNTIME_DIR": str(team.folder.parent),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.request("initialize", json.dumps(INITIALIZE))
        self.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def _read(self) -> None:
        assert self.server.stdout is not None
        for line in self.server.stdout:
            answer = json.loads(line)
            with self._came:
                self._answers.setdefault(answer.get("id"), []).append(answer)
                self._came.notify_all()

    def new_id(self) -> int:
        return next(self._names)

    def write(self, line: bytes) -> None:
        assert self.server.stdin is not None
        self.server.stdin.write(line + b"\n")
        self.server.stdin.flush()

    def answer(self, request: object) -> dict[str, Any]:
        """The one answer to it; fails when none comes, or more than one has come."""
        with self._came:
            assert self._came.wait_for(lambda: self._answers.get(request), TIMEOUT_SECONDS), (
                f"{request!r} was not answered"
            )
            (answer,) = self._answers[request]
            return answer

    def refused(self, line: str, request: object) -> str:
        self.write(line.encode())
        error = self.answer(request)["error"]
        assert error["code"] in (-32700, -32602)
        return str(error["message"])

    def request(self, method: str, params: str) -> dict[str, Any]:
        request = self.new_id()
        self.write(f'{{"method":"{method}","params":{params},"jsonrpc":"2.0","id":{request}}}'.encode())
        return self.answer(request)

    def close(self) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        assert self.server.wait(TIMEOUT_SECONDS) == 0
        self._reader.join()
        assert self.server.stdout is not None
        self.server.stdout.close()
        assert all(len(answers) == 1 for request, answers in self._answers.items() if request is not None)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawSession]:
    opened = RawSession(Team("crew", Path(tmp_path_factory.mktemp("home")) / "crew"))
    yield opened
    opened.close()


def test_half_a_character_in_a_call_is_replaced_and_the_call_goes_through(session: RawSession) -> None:
    with MessageHub(session.team, agent="scout") as scout:
        scout.register()
        arguments = f'{{"recipient":"scout","content":"ok {HALF}! \\\\ud83d \\ud83d\\ude00 {HALF}{HALF}\\ude00"}}'
        answer = session.request("tools/call", f'{{"name":"team_send_message","arguments":{arguments}}}')

        assert answer["result"]["isError"] is False
        (delivery,) = scout.claim()
        assert delivery.message.content == "ok \ufffd! \\ud83d \U0001f600 \ufffd\U0001f600"


@pytest.mark.parametrize(
    ("params", "because"),
    [(MANY_DIGITS, "cannot be parsed"), (DEEP, "cannot be parsed"), ("[1]", "not a JSON-RPC 2.0 request"), ("{", "")],
    ids=["10,000 digits", "5,000 levels", "a list", "not JSON"],
)
def test_params_that_cannot_be_taken_are_refused_under_the_requests_id(
    session: RawSession, params: str, because: str
) -> None:
    request = session.new_id()
    line = f'{{"jsonrpc":"2.0","id":{request},"method":"tools/call","params":{params}}}'
    assert because in session.refused(line, request)


@pytest.mark.parametrize("method", ["5", "null", "{}"])
def test_a_method_that_is_not_text_is_refused(session: RawSession, method: str) -> None:
    request = session.new_id()
    session.refused(f'{{"jsonrpc":"2.0","method":{method},"id":{request}}}', request)


@pytest.mark.parametrize("other", ['"error":{"code":1,"message":"x"}', '"jsonrpc":"1.0"', '"\\u006aid":7'])
def test_a_request_with_odd_fields_is_answered(session: RawSession, other: str) -> None:
    request = session.new_id()
    session.write(f'{{"jsonrpc":"2.0","method":"ping","id":{request},{other}}}'.encode())
    session.answer(request)


@pytest.mark.parametrize(("written", "request_id"), [("1.5", 1.5), (f'"{HALF}"', "\ud83d"), (MANY_DIGITS, None)])
def test_an_id_that_the_sdk_does_not_know_comes_back_as_it_was_written(written: str, request_id: object) -> None:
    (refusal,) = parse_line(
        RequestLine(f'{{"jsonrpc":"2.0","id":{written},"method":"ping","params":{{"a":"{HALF}"}}}}')
    )
    assert f'"id":{written},"error"' in str(refusal)
    assert request_id is None or json.loads(str(refusal))["id"] == request_id


def test_each_request_of_a_batch_is_refused(session: RawSession) -> None:
    one, two = session.new_id(), session.new_id()
    ping = '{{"jsonrpc":"2.0","method":"ping","id":{}}}'
    assert "on a separate line" in session.refused(f"[{ping.format(one)},{ping.format(two)}]", one)
    session.answer(two)


def test_bytes_that_are_not_utf8_are_replaced(session: RawSession) -> None:
    request = session.new_id()
    session.write(b'{"jsonrpc":"2.0","method":"ping","params":{"x":"\xff\xc3"},"id":%d}' % request)
    assert session.answer(request)["result"] == {}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_line_that_is_too_long_is_refused_under_its_id_and_not_kept(session: RawSession, is_first: bool) -> None:
    request = session.new_id()
    params = f'"params":{{"x":"{"id" * MAX_LINE_BYTES}","y":"\\"id\\":8}}"}}'
    fields = f'"id":{request},{params}' if is_first else f'{params},"jsonrpc":"2.0","id":{request}'
    assert "longer than" in session.refused(f'{{"method":"ping",{fields}}}', request)


def test_lines_are_kept_in_bounded_memory() -> None:
    lines = LineSplitter()
    for _ in range(100):
        assert not list(lines.feed(b"x" * 2**20))
    line = lines.take_line()
    assert line.is_cut
    assert len(line.text) < MAX_LINE_BYTES
    assert [each.text for each in lines.feed(b"a\nb\nc")] == ["a", "b"]
    assert lines.take_line() == RequestLine("c")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"id":7,"params":[{"id":3}],"method":"x"}', ["7"]),
        ('{"\\u0069d":5,"x":"\\"id\\":6"', ["5"]),
        ('{"id":1}{"id":"b', ["1"]),
        ('[{"id":1},{"x":{"id":2}},{"id":"b"}]', ["1", '"b"']),
        ('{"id":1,"id":2,"method":', ["2"]),
        ('{"id":1,"result":{}}', []),
        ('{"id":true,"method":"x"}{"id":007}{"id":{"id":4}}{"id":null}', []),
        ("}]" * 9 + '{"id":3', ["3"]),
    ],
)
def test_ids_are_read_from_what_no_parser_takes(text: str, found: list[str]) -> None:
    assert request_ids(text) == found


def test_the_end_of_stdin_ends_the_server_also_in_the_middle_of_a_line(team: Team) -> None:
    opened = RawSession(team)
    assert opened.server.stdin is not None
    opened.server.stdin.write(b'{"jsonrpc":"2.0","id":99,"method"')
    opened.close()
    assert opened.answer(99)["error"]["code"] == -32700
    assert run_foreign_sql(team, "SELECT status FROM agent_status WHERE agent_name = 'lead'") == [("offline",)]


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_json = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner))
_raw = _json.map(json.dumps) | st.sampled_from(
    [f'"{HALF}"', f'{{"{HALF}":"\\ude00"}}', MANY_DIGITS, DEEP, "1e999", "tru", '"', "}", "\\", '"\x01"', "\xff", CALL]
)
_methods = st.sampled_from(["ping", "tools/call", "tools/list", "initialize", "resources/read", "notifications/x", ""])
_tools = st.sampled_from(["team_get_status", "team_send_message", "team_broadcast", "team_update_status", "team_x"])
_call = st.builds(lambda tool, arguments: f'{{"name":"{tool}","arguments":{arguments}}}', _tools, _raw)


@st.composite
def _fields(draw: st.DrawFn) -> list[str]:
    """The fields of a request except its id, some of them wrong, missing or twice."""
    fields = ['"jsonrpc":"2.0"', f'"method":{json.dumps(draw(_methods))}', f'"params":{draw(_call | _raw)}']
    name = draw(st.sampled_from(["jsonrpc", "method", "params", "x", "_meta"]))
    spoilt = draw(st.lists(_raw.map(lambda raw: f'"{name}":{raw}'), max_size=1))
    return draw(st.permutations([*draw(st.lists(st.sampled_from(fields), min_size=1, unique=True)), *spoilt]))


@settings(max_examples=150, deadline=None)
@given(fields=_fields(), is_text=st.booleans(), cut=st.none() | st.integers(0, 200), junk=st.binary(max_size=6))
def test_every_readable_id_gets_exactly_one_answer(
    session: RawSession, fields: list[str], is_text: bool, cut: int | None, junk: bytes
) -> None:
    request = f"r{session.new_id()}" if is_text else session.new_id()
    start = f'{{"id":{json.dumps(request)},'.encode()
    rest = ",".join(fields).encode("utf-8", "surrogatepass") + b"}"
    rest = rest if cut is None else rest[:cut] + junk.replace(b"\n", b"") + rest[cut:]

    session.write(start + rest)

    assert json.dumps(request) not in request_ids((start + rest).decode(errors="replace")) or session.answer(request)


def test_the_server_still_serves_after_all_that(session: RawSession) -> None:
    assert "lead (you)" in session.request("tools/call", CALL)["result"]["content"][0]["text"]
    assert os.waitid(os.P_PID, session.server.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
