"""Workers as components: found by their entry points, without an import of what they need."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamsup.cli.main import main
from teamsup.config.components import (
    WORKER_GROUP,
    Component,
    component_names,
    installed_components,
    normalize_session_agent,
)
from teamsup.config.entry_points import find_entry_points, read_summary
from teamsup.hub import InvalidName

HEAVY = {"discord", "aiohttp", "regex", "psutil", "asyncio", "email", "importlib.metadata"}
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one worker and one module; it is gone after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(worker: str, code: str) -> None:
        module = f"package_of_{worker.replace('-', '_').lower()}"
        (tmp_path / f"{module}.py").write_text(code)
        folder = tmp_path / f"{module}-1.dist-info"
        folder.mkdir()
        text = f"[console_scripts]\nother = other:main\n\n[{WORKER_GROUP}]\n# ours\n{worker} = {module}:component\n"
        (folder / "entry_points.txt").write_text(text)
        monkeypatch.delitem(sys.modules, module, raising=False)
        installed_components.cache_clear()
        component_names.cache_clear()

    yield make
    installed_components.cache_clear()
    component_names.cache_clear()


def component_code(arguments: str) -> str:
    return f"from teamsup.config.components import Component\ncomponent = Component({arguments})\n"


def test_the_workers_of_teamsup_are_components_in_the_order_of_starting() -> None:
    ours = ["user_comm", "monitor-bridge", "gateway", "agent-runner", "web", "fork-server"]
    assert list(installed_components()) == ours
    assert [each.fault for each in installed_components().values()] == [""] * len(ours)


def test_a_component_is_found_without_an_import_of_what_its_worker_needs() -> None:
    code = (
        "import sys; from teamsup.config.components import installed_components; installed_components();"
        f" print({HEAVY!r} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "set()\n"


def test_the_name_of_a_component_is_not_a_name_for_a_session() -> None:
    with pytest.raises(InvalidName, match="part of the team itself"):
        normalize_session_agent("Gateway")


def test_a_foreign_component_stands_beside_ours(install: Install) -> None:
    install("mailer", component_code("'mailer', 'mailer'"))

    assert installed_components()["mailer"] == Component("mailer", "mailer")
    assert "mailer" in component_names()


@pytest.mark.parametrize(
    ("name", "code", "fault"),
    [
        ("mailer", "import a_module_that_is_not_there\n", "No module named 'a_module_that_is_not_there'"),
        ("mailer", "raise SystemExit('it wants a later Python')\n", "it wants a later Python"),
        ("mailer", "component = 1\n", "is not a Component of that name"),
        ("mailer", component_code("'other'"), "is not a Component of that name"),
        ("Mailer", component_code("'Mailer'"), "in small letters"),
        ("supervisor", component_code("'supervisor'"), "needs a name of its own"),
        (
            "mailer",
            component_code("'mailer', groups={'message_route': object}"),
            r"section \[message_route\], which is that of user_comm",
        ),
        (
            "mailer",
            "from teamsup.config.people_protocol import CommandDefinition\n"
            + component_code("'mailer', people_commands=(CommandDefinition('ack', 'x', worker='mailer'),)"),
            "The command /ack of mailer is taken",
        ),
        ("team", component_code("'team', section=object"), r"section \[team\], which is that of the team"),
        (
            "mailer",
            "from teamsup.config.components import ComponentTables\n"
            + component_code("'mailer', tables=ComponentTables('male', ())"),
            "its tables are those of 'male'. Give them the name 'mailer'",
        ),
    ],
)
def test_a_component_that_cannot_be_loaded_has_a_fault_and_the_others_run(
    install: Install, name: str, code: str, fault: str
) -> None:
    install(name, code)

    assert re.search(fault, installed_components()[name].fault)
    assert not installed_components()["gateway"].fault


def test_a_worker_that_two_packages_bring_is_neither_of_them(install: Install) -> None:
    install("gateway", component_code("'gateway', 'imitation'"))

    fault = installed_components()["gateway"].fault
    assert fault.startswith("Several packages bring a worker gateway: ")
    assert "package_of_gateway (package_of_gateway:component)" in fault
    assert not installed_components()["user_comm"].fault


def test_a_command_that_cannot_be_loaded_says_why(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("mailer", component_code("'mailer', 'mailer'"))
    points = next(tmp_path.glob("*.dist-info")) / "entry_points.txt"
    points.write_text("[teamsup.commands]\nmail = a_module_that_is_not_there\nforget = imitation\n")

    with pytest.raises(SystemExit, match=str(os.EX_SOFTWARE)):
        main(["mail"])
    assert "The command mail cannot be loaded from a_module_that_is_not_there: " in capsys.readouterr().err
    with pytest.raises(SystemExit, match=str(os.EX_CONFIG)):
        main(["forget", "ann"])
    assert "Several packages bring a command forget: " in capsys.readouterr().err


def test_the_summary_of_a_command_is_the_first_line_of_its_module() -> None:
    assert read_summary("teamsup.workers.user_comm.forget_command").startswith(
        "remove all messages from and to a person"
    )
    assert read_summary("no.such.module") == ""
    assert read_summary("sys") == ""


def test_every_command_of_a_component_has_a_summary() -> None:
    commands = find_entry_points("teamsup.commands")

    assert {"alerts", "forget", "pair"} <= commands.keys()
    assert all(read_summary(point.value) for (point,) in commands.values())


def test_help_imports_no_command_of_a_component() -> None:
    code = (
        "import sys\nfrom teamsup.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.startswith(('teamsup.workers', 'importlib.metadata'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert re.search(r"^ +forget +remove all messages from and to a person", run.stdout, re.MULTILINE)
    assert run.stdout.endswith("[]\n")


def test_keys_are_read_also_beside_a_mistake() -> None:
    tables = {"source": {"a": {"secret_variable": "A", "kind": 5}, "b": 1, "c": {"secret_variable": 2}}}
    component = installed_components()["monitor-bridge"]

    assert list(component.read_keys(tables, component.secret_keys)) == ["A"]
