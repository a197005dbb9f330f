"""One worker's process, with commands that misbehave."""

import signal
import sys
from pathlib import Path

import psutil
import pytest

from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.supervisor.configuration.program import Program, SpawnLimits
from teamsup.supervisor.processes.child import Child


def python(code: str) -> Child:
    return Child(Program("worker", (sys.executable, "-c", code)), {})


def output(child: Child) -> list[str]:
    lines: list[str] = []
    eventually(lambda: not child.read_lines(lines.extend), "the end of the output")
    eventually(lambda: child.exit_code() is not None, "the exit")
    child.close(lines.extend)
    return lines


def test_output_comes_line_by_line_also_the_last_one_without_an_end() -> None:
    assert output(python("import sys; print('one'); print('two', file=sys.stderr); print('three', end='')")) == [
        "one",
        "two",
        "three",
    ]


def test_output_without_text_or_line_ends_is_passed_on_bounded() -> None:
    lines = output(python(r"import sys; sys.stdout.buffer.write(b'\xff' * 300_000)"))

    assert "".join(lines) == "\ufffd" * 300_000
    assert max(map(len, lines)) < 200_000


def test_a_command_that_cannot_be_run_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        Child(Program("worker", ("/nowhere/at/all",)), {})


def test_processes_in_the_group_of_a_worker_end_with_it() -> None:
    child = python("import subprocess, sys; print(subprocess.Popen(['sleep', '1000']).pid, flush=True)")
    lines: list[str] = []
    eventually(lambda: child.read_lines(lines.extend) and lines, "the grandchild's pid")
    eventually(lambda: child.exit_code() is not None, "the worker's exit")
    grandchild = psutil.Process(int(lines[0]))

    child.close(lines.extend)

    assert psutil.wait_procs([grandchild], timeout=TIMEOUT_SECONDS)[1] == []


def test_it_is_asked_to_end_also_after_it_is_gone() -> None:
    child = python("import time; time.sleep(1000)")

    child.terminate()

    assert eventually(child.exit_code, "the exit") == -signal.SIGTERM
    child.close(lambda _: None)
    child.terminate()


def test_a_worker_that_hangs_says_where() -> None:
    child = python("import time\ndef stuck(): time.sleep(1000)\nprint('up', flush=True)\nstuck()")
    lines: list[str] = []
    eventually(lambda: child.read_lines(lines.extend) and lines, "the worker")

    child.dump_stacks()

    assert eventually(child.exit_code, "the exit") == -signal.SIGABRT
    child.close(lines.extend)
    assert any("in stuck" in line for line in lines)


def test_it_is_run_as_its_configuration_says(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['A'], os.environ['B'], os.environ.get('NOTIFY_SOCKET'))"
    program = Program("worker", (sys.executable, "-c", code), tmp_path, environment=(("A", "1"),))

    assert output(Child(program, {"B": "2"})) == [f"{tmp_path} 1 2 None"]


def test_a_worker_that_never_stops_printing_leaves_time_for_others() -> None:
    child = python("while True: print('x' * 1000)")
    lines: list[str] = []

    eventually(lambda: child.read_lines(lines.extend) and lines, "some output")

    child.kill()
    eventually(child.exit_code, "the exit")
    child.close(lines.extend)
    assert len(lines) < 10_000


def test_it_has_the_limits_of_its_section() -> None:
    code = (
        "import os, resource; mask = os.umask(0);"
        "print(oct(mask), resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.getpriority(os.PRIO_PROCESS, 0))"
    )
    program = Program("worker", (sys.executable, "-c", code), limits=SpawnLimits(nofile=123, umask=0o027, nice=15))

    assert output(Child(program, {})) == ["0o27 123 15"]


def test_limits_that_the_system_refuses_are_an_os_error() -> None:
    program = Program("worker", ("true",), limits=SpawnLimits(nofile=1 << 62))

    with pytest.raises(OSError, match="the system refuses nofile = 4611686018427387904"):
        Child(program, {})
