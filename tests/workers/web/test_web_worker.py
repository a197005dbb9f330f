"""The worker as a process: its port, its teams, its section."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from helpers.custom_workers import wait_for_state
from helpers.page_server import PageClient, web_process
from helpers.support import TeamsupCommand, eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.models import DEGRADED


@pytest.mark.slow
def test_the_free_port_is_kept_over_a_restart(team: Team) -> None:
    with web_process(team) as web:
        before = web.address
        assert before.startswith("http://127.0.0.1:")
        web.stop()
        web.start()
        assert web.address == before


@pytest.mark.slow
def test_two_teams_stand_beside_each_other(team: Team, tmp_path: Path) -> None:
    other = Team("crew", tmp_path / "elsewhere" / "crew")
    with web_process(team) as web, web_process(other) as second:
        assert web.port != second.port
        both = PageClient(web.port)
        both.sign_in(web.link().partition("#")[2])
        also = PageClient(second.port, both.cookies)
        also.sign_in(second.link().partition("#")[2])
        assert len(both.cookies) == 2, "a browser sends the cookies of one to the other too"
        pages = (both.get("/"), also.get("/"))
        assert [page.status for page in pages] == [200, 200], pages


def test_a_kept_port_that_another_program_has_taken_is_replaced(team: Team) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        team.create()
        number = taken.getsockname()[1]
        (team.run / "web.port").write_text(f"{number}\n")
        with web_process(team) as web:
            assert web.port not in (0, number)
            assert (team.run / "web.port").read_text() == f"{web.port}\n"


def test_a_chosen_port_that_is_taken_is_a_trouble_until_it_is_free(team: Team) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        team.create()
        team.configuration.write_text(f'[web]\nlisten = "127.0.0.1:{number}"\n')
        with MessageHub(team) as hub:

            def note() -> str:
                agent = hub.find_agent("web")
                return agent.note if agent is not None and agent.status == DEGRADED else ""

            with web_process(team, is_served=False) as web:
                eventually(lambda: f"127.0.0.1:{number}" in note(), "the worker is degraded")
                taken.close()
                eventually(lambda: web.port == number, "the page is served")
                eventually(lambda: not note(), "the worker is well")


def test_enabled_false_ends_it(run_workers: Callable[[str], TeamsupCommand]) -> None:
    teamsup = run_workers("[web]\nenabled = false\n")
    teamsup.run("start", "web")
    wait_for_state(teamsup, "web", "not configured")
    assert "[web] enabled is false." in teamsup.log("web")


@pytest.mark.slow
def test_a_reload_ends_the_page_and_brings_it_back(run_workers: Callable[[str], TeamsupCommand]) -> None:
    teamsup = run_workers("[web]\n[worker.web]\nautostart = true\n")
    configuration = teamsup.team.configuration
    with MessageHub(teamsup.team) as hub:

        def is_answering() -> bool:
            agent = hub.find_agent("web")
            port = urlsplit(str(agent.metadata.get("address", ""))).port if agent is not None else None
            try:
                return port is not None and PageClient(port).get("/").status == 401
            except OSError:
                return False

        eventually(is_answering, "the page is served")
        text = configuration.read_text()
        configuration.write_text(text.replace("[web]", "[web]\nenabled = false"))
        assert teamsup.run("reload").returncode == 0
        wait_for_state(teamsup, "web", "not configured")
        assert not is_answering()
        configuration.write_text(text)
        assert teamsup.run("reload").returncode == 0
        eventually(is_answering, "the page is back")


def test_a_letter_to_the_page_is_answered(team: Team) -> None:
    with web_process(team) as web:
        question = web.hub.send("web", "Hello")
        eventually(lambda: web.hub.queries.find(reply_to=question.message_id), "an answer")


def test_the_log_has_no_secret(team: Team) -> None:
    with web_process(team, stderr=subprocess.PIPE) as web:
        link = web.link()
        client = PageClient(web.port)
        client.sign_in("wrong")
        client.sign_in(link.partition("#")[2])
        client.get("/nowhere")
        process = web.process
        assert process is not None
        web.stop()
        assert process.stderr is not None
        log = process.stderr.read().decode()
        process.stderr.close()
    for secret in (link.partition("#")[2], *client.cookies.values()):
        assert secret not in log
