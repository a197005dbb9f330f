"""``teamsup open``, and the link that ``teamsup start`` shows."""

import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from helpers.page_server import PageClient, WebProcess, web_process
from helpers.pseudo_terminal import PseudoTerminal
from helpers.support import FORK_SERVER, TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/sign-in#([A-Za-z0-9_-]{40,})")
ONLY_WEB = "".join(
    f"[worker.{name}]\nautostart = false\n"
    for name in ("user_comm", "monitor-bridge", "gateway", "agent-runner", FORK_SERVER)
)


@pytest.fixture
def web(teamsup: TeamsupCommand) -> Iterator[WebProcess]:
    with web_process(teamsup.team) as web:
        yield web


@contextlib.contextmanager
def in_terminal(
    teamsup: TeamsupCommand, *words: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[PseudoTerminal, subprocess.Popen[bytes]]]:
    """The command at a terminal of 200 columns, without a display."""
    terminal = PseudoTerminal(200)
    inherited = {
        name: value for name, value in teamsup.environment.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    process = subprocess.Popen(
        teamsup.line(*words),
        stdin=terminal.theirs,
        stdout=terminal.theirs,
        stderr=terminal.theirs,
        env={**inherited, **(environment or {})},
    )
    try:
        yield terminal, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(TIMEOUT_SECONDS)
        os.close(terminal.theirs)
        terminal.close()


def link_in(text: str) -> tuple[int, str]:
    found = LINK.search(text)
    assert found is not None, text
    return int(found[1]), found[2]


def test_a_terminal_shows_a_link_that_signs_in(teamsup: TeamsupCommand, web: WebProcess) -> None:
    with in_terminal(teamsup, "open") as (terminal, process):
        text = terminal.expect("It works once, within 10 minutes.")
        assert process.wait(TIMEOUT_SECONDS) == 0
    port, secret = link_in(text)
    assert port == web.port
    assert PageClient(port).sign_in(secret).status == 303


def test_a_link_for_a_colleague_carries_the_colleagues_name(teamsup: TeamsupCommand, web: WebProcess) -> None:
    with in_terminal(teamsup, "open", "--as", "eve") as (terminal, process):
        terminal.expect("The link is for eve.")
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert web.hub.query("SELECT person FROM web_links")[0][0] == "eve"


def test_without_a_terminal_no_link_is_printed_or_made(teamsup: TeamsupCommand, web: WebProcess) -> None:
    refused = teamsup.run("open", "--no-browser")
    assert refused.returncode == os.EX_NOPERM
    assert "printed only to a terminal" in refusal_of(refused)
    assert web.hub.query("SELECT 1 FROM web_links") == []


@pytest.mark.slow
def test_a_browser_is_opened_by_way_of_a_file_that_only_its_owner_reads(
    teamsup: TeamsupCommand, web: WebProcess, tmp_path: Path
) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {seen}\n')
    browser.chmod(0o700)
    environment = teamsup.environment | {"BROWSER": str(browser), "DISPLAY": ":99"}
    opened = subprocess.run(
        teamsup.line("open"), env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert (opened.returncode, opened.stdout, opened.stderr) == (0, "", "")
    address = eventually(lambda: seen.read_text() if seen.exists() else "", "the browser is called")
    assert address.startswith("file://")
    file = Path(address.removeprefix("file://"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    port, secret = link_in(file.read_text())
    assert port == web.port
    assert PageClient(port).sign_in(secret).status == 303
    assert not file.exists(), "a link that was used leaves nothing"


def test_all_browsers_of_a_person_are_signed_out(teamsup: TeamsupCommand, web: WebProcess) -> None:
    people = {name: PageClient(web.port) for name in ("eve", "ben")}
    for name, client in people.items():
        assert client.sign_in(web.link(name).partition("#")[2]).status == 303
    unused = web.link("eve").partition("#")[2]
    done = teamsup.run("open", "--sign-out", "--as", "eve")
    assert done.stdout == "1 browser of eve is signed out. Open pages close within 15 seconds.\n"
    assert [people[name].get("/").status for name in ("eve", "ben")] == [401, 200]
    assert PageClient(web.port).sign_in(unused).status == 403


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Ann", "a b", "../x", "<b>"])
def test_a_name_that_is_none_is_refused(teamsup: TeamsupCommand, web: WebProcess, name: str) -> None:
    assert web.address
    refused = teamsup.run("open", "--as", name)
    assert refused.returncode == os.EX_DATAERR
    assert "is not a name for a person" in refusal_of(refused)


def test_without_its_worker_the_page_is_not_served(teamsup: TeamsupCommand, web: WebProcess) -> None:
    web.stop()
    with in_terminal(teamsup, "open") as (terminal, process):
        terminal.expect("The page is not served now.")
        assert process.wait(TIMEOUT_SECONDS) == os.EX_UNAVAILABLE


@pytest.mark.slow
def test_start_shows_the_link_in_a_terminal_and_writes_it_nowhere(teamsup: TeamsupCommand) -> None:
    teamsup.team.folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(ONLY_WEB)
    with in_terminal(teamsup, "start") as (terminal, _):
        port, secret = link_in(terminal.expect("It works once, within 10 minutes."))
        assert PageClient(port).sign_in(secret).status == 303
    for file in (path for path in teamsup.team.folder.rglob("*") if path.is_file()):
        assert secret.encode() not in file.read_bytes(), file


@pytest.mark.slow
def test_start_detached_shows_the_link_too(teamsup: TeamsupCommand) -> None:
    teamsup.team.folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(ONLY_WEB)
    try:
        with in_terminal(teamsup, "start", "--detach") as (terminal, process):
            terminal.expect("Stop it with:")
            link_in(terminal.expect("It works once, within 10 minutes."))
            assert process.wait(TIMEOUT_SECONDS) == 0
    finally:
        teamsup.run("stop")


@pytest.mark.slow
def test_start_without_a_terminal_shows_no_link(teamsup: TeamsupCommand) -> None:
    teamsup.team.folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(ONLY_WEB)
    try:
        started = teamsup.run("start", "--detach")
        assert started.returncode == 0
        assert "sign-in" not in started.stdout + started.stderr
    finally:
        teamsup.run("stop")
