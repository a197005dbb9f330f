"""A command that two packages bring, or that has the name of one of teamsup, is found before it is run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand
from teamsup.cli.command_line import COMMANDS
from teamsup.cli.component_commands import CommandFault, find_commands, find_faults, summarize

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with one command, for this process and those that it starts."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))

    def make(package: str, command: str) -> None:
        folder = site / f"{package}-1.dist-info"
        folder.mkdir()
        folder.joinpath("entry_points.txt").write_text(f"[teamsup.commands]\n{command} = {package}_command\n")
        site.joinpath(f"{package}_command.py").write_text(f'"""``teamsup {command}``: say {package}."""\n')

    return make


def test_a_command_of_one_package_has_no_fault(install: Install) -> None:
    install("greeter", "greetings")

    assert find_faults(COMMANDS) == []
    assert summarize(find_commands(COMMANDS)["greetings"]) == "say greeter"


def test_a_command_that_two_packages_bring_is_neither_of_them(install: Install) -> None:
    install("greeter", "greetings")
    install("other", "greetings")

    (fault,) = find_faults(COMMANDS)
    assert fault == CommandFault(
        "greetings",
        "Several packages bring a command greetings: greeter (greeter_command) and other (other_command). "
        "Uninstall all but one.",
        "Run: pip uninstall greeter, or pip uninstall other",
    )
    assert summarize(find_commands(COMMANDS)["greetings"]) == "cannot run: greeter and other bring it"


def test_a_command_of_teamsup_is_nobody_elses(install: Install) -> None:
    install("greeter", "ps")

    (fault,) = find_faults(COMMANDS)
    assert fault.text == "greeter brings a command ps, but teamsup runs its own of that name."
    assert "ps" not in find_commands(COMMANDS)


@pytest.mark.slow
def test_start_warns_of_it_and_starts_the_team(install: Install, teamsup: TeamsupCommand) -> None:
    install("greeter", "ps")

    start = teamsup.run("start", "--detach")
    teamsup.run("stop")

    assert "teamsup: greeter brings a command ps, " in start.stderr
    assert "runs, pid " in start.stdout + start.stderr
