"""One question to a program: over HTTP, by a connection, with a command."""

import asyncio
import os
from pathlib import Path

import pytest

from teamsup.config.sections import CheckSection, split_port
from teamsup.supervisor.health.probes import describe_output, probe

pytestmark = pytest.mark.anyio
ENVIRONMENT = dict(os.environ) | {"LEVEL": "info"}


async def asked(path: Path, **check: object) -> str:
    return await probe(CheckSection(**check), path, ENVIRONMENT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 302 Found\r\n", ""),
        (b"HTTP/1.1 503 Not \x1b ready\r\n\r\n", "HTTP status 503 Not \ufffd ready"),
        (b"SSH-2.0\r\n", "its answer is not HTTP"),
        (b"x" * 100_000, "its first line is too long for HTTP"),
    ],
)
async def test_a_status_below_400_is_well(tmp_path: Path, answer: bytes, failure: str) -> None:
    requests = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readline())
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await asked(tmp_path, http=f"http://127.0.0.1:{port}/health?deep=1") == failure
        assert requests == [b"GET /health?deep=1 HTTP/1.1\r\n"]
        assert await asked(tmp_path, tcp=str(port)) == ""

    assert "refused" in (await asked(tmp_path, tcp=f"127.0.0.1:{port}")).lower()


async def test_a_command_runs_in_the_programs_folder_and_environment(tmp_path: Path) -> None:
    (tmp_path / "here").touch()

    assert await asked(tmp_path, exec=("sh", "-c", 'test -e here && test "$LEVEL" = info')) == ""
    assert await asked(tmp_path, exec=("sh", "-c", "echo no; echo not yet >&2; exit 3")) == "exit code 3: not yet"
    assert (await asked(tmp_path, exec=("/nowhere/at/all",))).startswith("exit code 127: ")


async def test_a_command_that_hangs_is_a_failure(tmp_path: Path) -> None:
    assert await asked(tmp_path, exec=("sleep", "1000"), timeout_seconds=0.05) == "no answer within 0.05 s"


def test_the_last_line_says_why() -> None:
    assert describe_output("") == "exit code no exit code"
    assert describe_output("fine\n\n0\n") == ""
    assert describe_output("a\nb\n\n1\n") == "exit code 1: b"


@pytest.mark.parametrize(
    ("text", "address"),
    [("80", ("localhost", 80)), ("db:5432", ("db", 5432)), ("[::1]:9", ("::1", 9)), (":9", ("localhost", 9))],
)
def test_a_port_alone_is_on_this_machine(text: str, address: tuple[str, int]) -> None:
    assert split_port(text) == address
