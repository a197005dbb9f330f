"""The hook of the plugin: it passes on what it is given, and never disturbs a turn."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[2] / "deploy" / "claude" / "hook.py"
CLAUDE = 4242
GIVEN = b'{"hook_event_name": "Stop"}'


def hook(home: Path, given: bytes = GIVEN, **environment: str) -> bytes:
    """What the hook prints, run as the plugin runs it."""
    ran = subprocess.run(
        [sys.executable, "-IS", HOOK],
        input=given,
        capture_output=True,
        env={"XDG_RUNTIME_DIR": str(home), "CLAUDE_PID": str(CLAUDE), **environment},
        timeout=60,
        check=True,
    )
    assert ran.stderr == b""
    return ran.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where servers of this user have their sockets."""
    folder = tmp_path / f"teamsup-{os.getuid()}"
    folder.mkdir(mode=0o700)
    return folder


Serve = Callable[..., Future[bytes]]


@pytest.fixture
def serve(folder: Path) -> Iterator[Serve]:
    """A server that answers one hook with these pieces, and then tells what it was given."""
    listeners = []
    with ThreadPoolExecutor() as pool:

        def start(*answer: bytes, claude: int = CLAUDE) -> Future[bytes]:
            listener = socket.socket(socket.AF_UNIX)
            listeners.append(listener)
            listener.bind(str(folder / f"claude-{claude}"))
            listener.listen()
            return pool.submit(attend, listener, answer)

        yield start
        for listener in listeners:
            # A thread that still waits for a hook is freed by one that says nothing.
            with socket.socket(socket.AF_UNIX) as nobody:
                nobody.connect(listener.getsockname())
            listener.close()


def attend(listener: socket.socket, answer: tuple[bytes, ...]) -> bytes:
    connection, _ = listener.accept()
    with connection:
        given = b"".join(iter(lambda: connection.recv(65536), b""))
        for piece in answer:
            connection.sendall(piece)
    return given


def test_the_input_of_a_hook_reaches_the_server_and_its_answer_is_printed(tmp_path: Path, serve: Serve) -> None:
    answer = '{"decision": "block", "reason": "é"}'.encode()
    given = serve(answer)
    assert hook(tmp_path, b'{"tool_response": "\xff\x00\xc3\xa9\n"}\n') == answer
    assert given.result() == b'{"tool_response": "\xff\x00\xc3\xa9\n"}\n'


def test_much_is_passed_on_and_answers_come_in_chunks(tmp_path: Path, serve: Serve) -> None:
    given = serve(b'{"a": "', b"x" * 300_000, b'"}')
    assert hook(tmp_path, b"y" * 20_000_000) == b'{"a": "' + b"x" * 300_000 + b'"}'
    assert given.result() == b"y" * 20_000_000


def test_nothing_to_say_is_printed_as_nothing(tmp_path: Path, serve: Serve) -> None:
    given = serve()
    assert hook(tmp_path) == b""
    assert given.result() == GIVEN


def test_without_its_pid_in_the_environment_claude_code_is_the_parent(tmp_path: Path, serve: Serve) -> None:
    serve(b'{"a": 1}', claude=os.getpid())
    assert hook(tmp_path, CLAUDE_PID="") == b'{"a": 1}'


def test_the_temporary_folder_will_do_where_there_is_no_runtime_folder(tmp_path: Path, serve: Serve) -> None:
    serve(b'{"a": 1}')
    assert hook(tmp_path, XDG_RUNTIME_DIR="", TMPDIR=str(tmp_path)) == b'{"a": 1}'


@pytest.mark.parametrize("unusable", ["nowhere", "x" * 120])
def test_a_runtime_folder_that_cannot_be_used_gives_way(tmp_path: Path, serve: Serve, unusable: str) -> None:
    serve(b'{"a": 1}')
    assert hook(tmp_path / unusable, TMPDIR=str(tmp_path)) == b'{"a": 1}'


def test_without_a_server_it_says_nothing(tmp_path: Path, folder: Path) -> None:
    assert hook(tmp_path) == b""
    with socket.socket(socket.AF_UNIX) as died:
        died.bind(str(folder / f"claude-{CLAUDE}"))
    assert hook(tmp_path) == b""
    folder.rename(tmp_path / "elsewhere")
    assert hook(tmp_path) == b""
    assert hook(tmp_path / ("x" * 200)) == b""


@pytest.mark.slow
def test_a_server_that_never_answers_is_left_alone(tmp_path: Path, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(folder / f"claude-{CLAUDE}"))
        hung.listen()
        assert hook(tmp_path) == b""


@pytest.mark.parametrize("answer", [b'{"decision": "bl', b"Traceback", b"{", b"{" + b"x" * 2_000_000 + b"}"])
def test_a_message_that_is_not_an_answer_is_not_printed(tmp_path: Path, serve: Serve, answer: bytes) -> None:
    serve(answer)
    assert hook(tmp_path) == b""


@pytest.mark.parametrize("pid", ["x", "../claude", "1e3", "-"])
def test_a_strange_pid_is_nobody(tmp_path: Path, folder: Path, pid: str) -> None:
    assert folder.is_dir()
    assert hook(tmp_path, CLAUDE_PID=pid) == b""


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_folder_that_others_may_enter_is_not_trusted(tmp_path: Path, folder: Path, serve: Serve, mode: int) -> None:
    serve(b'{"a": 1}')
    folder.chmod(mode)
    assert hook(tmp_path) == b""


def test_a_link_to_a_folder_is_not_trusted(tmp_path: Path, folder: Path, serve: Serve) -> None:
    serve(b'{"a": 1}')
    other = tmp_path / "other"
    other.mkdir()
    (other / folder.name).symlink_to(folder)
    assert hook(other) == b""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path, folder: Path, serve: Serve) -> None:
    serve(b'{"a": 1}')
    os.chown(folder, 1, 1)
    assert hook(tmp_path) == b""
