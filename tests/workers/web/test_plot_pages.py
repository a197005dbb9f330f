"""The plots on the page of the team, and their own page with a filter in its address."""

import time
from collections.abc import Iterator

import pytest

from helpers.page_server import PageClient, served_pages
from teamsup.hub import MessageHub, Team
from teamsup.status.samples import TeamSample, WorkerSample, write_minutes


@pytest.fixture
def client(team: Team, hub: MessageHub) -> Iterator[PageClient]:
    now = time.time()
    workers = {"gateway": WorkerSample(0.4, 2**25)}
    write_minutes(team, [TeamSample(now - 60 * back, 60.0, 12.0, 1, workers=workers) for back in range(30, -1, -1)])
    with served_pages(hub) as server:
        yield server.client("ann")


def test_the_page_of_the_team_shows_the_last_hour(client: PageClient) -> None:
    shown = client.get("/").text
    assert shown.count('<figure class="plot"') == 6
    assert "<b>12</b> a minute" in shown
    assert 'href="/?range=day"' in shown


def test_a_range_and_a_plot_have_an_address(client: PageClient) -> None:
    shown = client.get("/plots?range=week&plot=messages").text
    assert shown.count('<figure class="plot"') == 1
    assert "not known" in shown
    assert client.get("/plots?plot=<script>").status == 404
    assert 'id="plot-gateway-memory"' in client.get("/plots?range=nonsense").text
