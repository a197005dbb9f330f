"""Sessions that a fork server serves: real launchers, real descriptors, real signals."""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.custom_workers import wait_for_log_line, wait_for_state
from helpers.mcp_session import PLUGIN, TEAMSUP, launch_command, run_fork_server
from helpers.support import FORK_SERVER, TIMEOUT_SECONDS, TeamsupCommand, clean_environment, eventually, refusal_of
from teamsup.cli.claude.fork_server import SOCKET_NAME, ProgramFiles
from teamsup.cli.claude.forked_session import Refused, control_group, parse_request, peer_uid
from teamsup.hub import MessageHub, Team

LAUNCHER: dict[str, Any] = runpy.run_path(str(PLUGIN / "launcher.py"))
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@pytest.fixture(scope="module")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Team, int]]:
    """A fork server and its pid. What it was started with must reach no session."""
    team = Team("parent", tmp_path_factory.mktemp("fork-server") / "parent")
    with run_fork_server(team, TEAMSUP_TEAM="parent", PYTHONPROFILEIMPORTTIME="1") as server:
        # What it imports is printed, which nobody else reads.
        yield team, server.pid


@pytest.fixture
def served(team: Team, fork_server: tuple[Team, int]) -> Team:
    """A team that has the fork server."""
    team.create()
    (team.run / SOCKET_NAME).symlink_to(fork_server[0].run / SOCKET_NAME)
    return team


class Session:
    """A launcher as Claude Code runs it."""

    def __init__(self, team: Team, *options: str, **how: Any) -> None:  # noqa: ANN401
        how.setdefault("env", {**clean_environment(), **environment_of(team)})
        given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        words = options or ("--agent", "lead", "--team", team.name)
        self.process = subprocess.Popen(launch_command(*words), **given)
        self.imports: list[str] = []
        """What the server has imported after it was forked."""
        self._team = team

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def answer(self, method: str = "initialize", params: object = INITIALIZE) -> dict[str, Any]:
        """The result of a request, with which the server shows that it has our streams."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"
        self.process.stdin.write(line)
        self.process.stdin.flush()
        result: dict[str, Any] = json.loads(self.process.stdout.readline())["result"]
        return result

    def server(self, agent: str = "lead") -> psutil.Process:
        """The process that serves it, as the hub knows it."""
        with MessageHub(self._team) as hub:
            found = hub.find_agent(agent)
        assert found is not None
        return psutil.Process(found.metadata["pid"])

    def end(self) -> tuple[int, str]:
        """Its exit code and what it has printed on stderr, once its input has ended."""
        _, printed = self.process.communicate(timeout=TIMEOUT_SECONDS)
        lines = printed.decode().splitlines()
        self.imports = [line for line in lines if line.startswith("import time:")]
        return self.process.returncode, "\n".join(line for line in lines if line not in self.imports)


def environment_of(team: Team) -> dict[str, str]:
    own = team.folder.parent / "runtime"
    own.mkdir(exist_ok=True)
    return {"TEAMSUP": TEAMSUP, "TEAMSUP_HOME": str(team.folder.parent), "XDG_RUNTIME_DIR": str(own)}


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_session_is_served_by_a_process_that_was_forked_and_ends_with_its_input(
    served: Team, fork_server: tuple[Team, int]
) -> None:
    with MessageHub(served):
        pass  # The first of all makes the tables, for which it imports more.
    with Session(served, preexec_fn=lambda: os.umask(0)) as session:
        session.answer()
        server = session.server()
        assert server.ppid() == fork_server[1] != session.process.pid
        # The hooks of the session look for its server by the pid of Claude Code, which is this process.
        folder = served.folder.parent / "runtime" / f"teamsup-{os.getuid()}"
        assert [file.name for file in folder.iterdir()] == [f"claude-{os.getpid()}"]
        # Of what the fork server has open it has kept nothing, and it has started no thread before.
        assert not sockets_of(fork_server[1]) & sockets_of(server.pid)
        assert psutil.Process(fork_server[1]).num_threads() == 1
        if sys.platform == "linux":
            assert " ".join(server.cmdline()).startswith("teamsup mcp --agent lead --team crew")
        runtime = served.folder.parent / "runtime"
        assert [file.stat().st_mode & 0o077 for file in (runtime.glob("teamsup-*/*"))] == [0]
        assert session.end()[0] == 0
    # An import would cost every session: name the module in forked_session.load() instead.
    assert session.imports == []
    assert is_gone(server)
    eventually(lambda: not psutil.Process(fork_server[1]).children(), "the fork server has reaped it")


def sockets_of(pid: int) -> set[str]:
    links = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()} if sys.platform == "linux" else set()
    return {link for link in links if link.startswith("socket:")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_launcher_ends_its_server_in_order(served: Team, number: signal.Signals) -> None:
    with Session(served) as session:
        session.answer()
        session.process.send_signal(number)
        assert session.end() == (0, "")
        with MessageHub(served) as hub:
            assert {agent.name: agent.status for agent in hub.agents()} == {"lead": "offline"}


def test_a_launcher_that_is_killed_takes_its_server_along(served: Team) -> None:
    with Session(served) as session:
        session.answer()
        server = session.server()
        session.process.kill()
        eventually(lambda: is_gone(server), "the server has ended")


def test_a_launcher_says_that_its_server_was_killed(served: Team) -> None:
    with Session(served) as session:
        session.answer()
        session.server().kill()
        assert session.end() == (137, "teamsup: The server of this session was killed.")


@pytest.mark.slow
def test_the_server_has_the_folder_and_the_environment_of_its_launcher(served: Team) -> None:
    """The fork server has another $TEAMSUP_TEAM, and no relative path of ours leads anywhere from its folder."""
    environment = {**clean_environment(), **environment_of(served), "TEAMSUP_HOME": ".", "TEAMSUP_AGENT": "scout"}
    own = Session(served, "--team=crew", cwd=served.folder.parent, env=environment)
    with own as session:
        session.answer()
        assert session.server("scout").ppid() != session.process.pid
    other = Team("default", served.folder.parent / "default")
    other.create()
    (other.run / SOCKET_NAME).symlink_to(served.run / SOCKET_NAME)
    with Session(other, "--agent", "lead") as session:
        session.answer()
        assert session.server().is_running()


def test_a_refusal_has_the_words_of_the_command(served: Team) -> None:
    refused = subprocess.run(
        launch_command("--team", served.name, "--agent", "supervisor"),
        env={**clean_environment(), **environment_of(served)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode == os.EX_USAGE
    assert refusal_of(refused) == "teamsup: 'supervisor' is a part of the team itself; choose another name."


def test_an_input_at_its_end_and_a_terminal_are_inputs_too(served: Team) -> None:
    with Session(served, stdin=subprocess.DEVNULL) as session:
        assert session.end()[0] == 0
    ours, theirs = os.openpty()
    with Session(served, stdin=theirs) as session:
        os.close(theirs)
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        os.write(ours, json.dumps(request).encode() + b"\n")
        assert session.process.stdout is not None
        assert "result" in json.loads(session.process.stdout.readline())
        os.close(ours)
        session.process.wait(TIMEOUT_SECONDS)


def test_teamsup_mcp_by_hand_is_served_in_the_same_way(served: Team, fork_server: tuple[Team, int]) -> None:
    with subprocess.Popen(
        TeamsupCommand.line("mcp", "--team", served.name, "--agent", "hand"),
        env={**clean_environment(), **environment_of(served)},
        stdin=subprocess.PIPE,
    ) as process:
        with MessageHub(served) as hub:
            found = eventually(lambda: hub.find_agent("hand"), "it takes part")
        assert psutil.Process(found.metadata["pid"]).ppid() == fork_server[1]
        process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0


def _hang(connection: socket.socket) -> None:
    while connection.recv(2**20):
        pass


def _refuse(connection: socket.socket) -> None:
    connection.recv(1)


def _give_up_after_ready(connection: socket.socket) -> None:
    connection.recv(2**20)
    connection.sendall(b"x")


@pytest.mark.parametrize(
    "behave",
    [_refuse, _give_up_after_ready, pytest.param(_hang, marks=pytest.mark.slow)],
    ids=["refusal", "nonsense", "silence"],
)
def test_a_launcher_that_nobody_serves_starts_the_server_itself(
    team: Team, behave: Callable[[socket.socket], None]
) -> None:
    team.create()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(team.run / SOCKET_NAME))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                behave(connection)

        threading.Thread(target=serve, daemon=True).start()
        with Session(team) as session:
            assert session.answer()["serverInfo"]["name"] == "teamsup"
            assert session.server().pid == session.process.pid
            assert session.end()[0] == 0


@pytest.mark.slow
def test_a_launcher_of_another_installation_starts_its_own_server(served: Team, tmp_path: Path) -> None:
    other = tmp_path / "teamsup"
    other.write_text(f'#!/bin/sh\nexec "{TEAMSUP}" "$@"\n')
    other.chmod(0o755)
    words = ["sh", str(PLUGIN / "python.sh"), str(PLUGIN / "launcher.py"), str(other), "mcp", "--team", "crew"]
    with subprocess.Popen(
        [*words, "--agent", "other"],
        env={**clean_environment(), **environment_of(served)},
        stdin=subprocess.PIPE,
    ) as process:
        with MessageHub(served) as hub:
            found = eventually(lambda: hub.find_agent("other"), "it takes part")
        assert found.metadata["pid"] == process.pid
        process.communicate(timeout=TIMEOUT_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("lack", ["exec 0<&-", "ulimit -n 5"])
def test_a_launcher_that_lacks_a_descriptor_starts_the_server_itself(served: Team, lack: str) -> None:
    """Without an input the server ends at once. With five descriptors Python says that it cannot run a server."""
    ran = subprocess.run(
        ["sh", "-c", f'{lack}; exec "$@"', "sh", *launch_command("--team", served.name, "--agent", "lead")],
        env={**clean_environment(), **environment_of(served)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode == 0) is lack.startswith("exec")
    assert b"launcher.py" not in ran.stderr


def test_a_fork_server_outlives_clients_that_are_not_launchers(served: Team, fork_server: tuple[Team, int]) -> None:
    for given in (b"", b"\0" * 8, b"\xff" * 100):
        with socket.socket(socket.AF_UNIX) as foreign:
            foreign.connect(str(served.run / SOCKET_NAME))
            assert peer_uid(foreign) == os.getuid()
            foreign.sendall(given)
    with Session(served) as session:
        session.answer()
        assert session.server().ppid() == fork_server[1]


@pytest.mark.parametrize(
    "received", ["", "2|/bin|/|1|2|teamsup|mcp", "1|/bin|/", "1|/bin|/|x|2|teamsup|mcp", "1|/bin|/|1|0|A"]
)
def test_a_line_that_is_not_a_request_is_refused(received: str) -> None:
    with pytest.raises(Refused):
        parse_request(received.replace("|", "\0").encode(), ())


def test_a_request_is_read_as_the_launcher_writes_it() -> None:
    words = ["teamsup", "mcp", "--agent", "", "é\udce9"]
    request = parse_request(b"\0".join(LAUNCHER["_request"](words, "/bin")), (3, 4, 5))
    assert (request.installation, request.words, request.descriptors) == ("/bin", tuple(words), (3, 4, 5))
    assert (request.directory, request.claude) == (str(Path.cwd()), os.getppid())
    assert request.environment == dict(os.environ)


def test_only_a_single_control_group_can_be_joined() -> None:
    assert control_group("0::/user.slice/a b.scope\n") == "/user.slice/a b.scope"
    with pytest.raises(Refused):
        control_group("2:cpu:/a\n1:memory:/b\n0::/\n")


@pytest.mark.parametrize("home", ["/srv/teams", "/srv/" + "long/" * 30, "~/teams", "near", None])
def test_the_launcher_looks_where_the_fork_server_listens(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("TEAMSUP_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("TEAMSUP_HOME", home)
    monkeypatch.setenv("TEAMSUP_TEAM", " Crew ")
    for words, name in ((["mcp"], None), (["mcp", "--team", "x.y"], "x.y"), (["mcp", "--team=B"], "b")):
        assert LAUNCHER["find_socket"](words) == str(Team.named(name).run / SOCKET_NAME)
    monkeypatch.setattr("tempfile.tempdir", "/long" * 30)
    assert LAUNCHER["find_socket"](["mcp"]) == str(Team.named("crew").run / SOCKET_NAME)
    assert LAUNCHER["find_socket"](["--team", "../x"]) is LAUNCHER["find_socket"](["--team", ""]) is None


def test_a_program_that_has_changed_on_disk_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "changing.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "changing", __import__("changing"))
    files = ProgramFiles()
    before = files.read_stamps()
    assert files.read_stamps() == before
    (tmp_path / "changing.py").write_text("# another version")
    assert files.read_stamps() != before


@pytest.mark.slow
def test_a_fork_server_begins_again_once_its_program_has_changed(team: Team, tmp_path: Path) -> None:
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "sitecustomize.py").write_text("")
    with run_fork_server(team, PYTHONPATH=str(package)) as server:
        environment = {**clean_environment(), **environment_of(team), "PYTHONPATH": str(package)}
        with Session(team, env=environment) as early:
            early.answer()
            old = early.server()
            assert old.ppid() == server.pid
            (package / "sitecustomize.py").write_text("# another version")
            with Session(team, "--agent", "late", "--team", team.name, env=environment) as late:
                late.answer()
                assert late.server("late").pid == late.process.pid

            def is_served() -> bool:
                with Session(team, "--agent", "new", "--team", team.name, env=environment) as new:
                    new.answer()
                    return new.server("new").ppid() == server.pid

            eventually(is_served, "the fork server has begun again")
            assert old.is_running()
            assert server.poll() is None


@pytest.mark.slow
def test_a_fork_server_that_is_ended_leaves_no_socket(team: Team) -> None:
    with run_fork_server(team) as server:
        server.terminate()
        assert server.wait(TIMEOUT_SECONDS) == -signal.SIGTERM

    assert not (team.run / SOCKET_NAME).exists()


@pytest.mark.slow
def test_the_supervisor_keeps_a_fork_server_and_ends_no_session_with_it(teamsup: TeamsupCommand) -> None:
    teamsup.configure("")
    text = teamsup.team.configuration.read_text()
    teamsup.team.configuration.write_text(text.replace(f"[worker.{FORK_SERVER}]\nautostart = false\n", ""))
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            row = wait_for_state(teamsup, FORK_SERVER, "RUNNING")
            assert row["memory_bytes"] > 2**20
            eventually((teamsup.team.run / SOCKET_NAME).exists, "it listens")
            with MessageHub(teamsup.team) as hub:
                assert hub.find_agent(FORK_SERVER) is None
            with Session(teamsup.team, "--agent", "lead") as session:
                session.answer()
                server = session.server()
                assert server.ppid() == row["pid"]
                os.kill(row["pid"], signal.SIGKILL)
                wait_for_log_line(teamsup, f"{FORK_SERVER} ended (signal 9 (SIGKILL))")
                assert wait_for_state(teamsup, FORK_SERVER, "RUNNING")["restarts"] == 1
                assert teamsup.run("stop").returncode == 0
                assert supervisor.wait(TIMEOUT_SECONDS) == 0
                assert session.answer("ping", {}) == {}
                assert session.end()[0] == 0
                assert is_gone(server)
        finally:
            supervisor.kill()
