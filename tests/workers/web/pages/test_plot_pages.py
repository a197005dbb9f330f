"""The plots on the page of the team, and their own page with a filter in its address."""

import re
import time
from collections.abc import Iterator
from html import unescape

import pytest

from helpers.page_server import PageClient, served_pages
from teamsup.hub import MessageHub, Team
from teamsup.status.samples import TeamSample, WorkerSample, append_rows, write_minutes


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


def test_a_time_before_has_an_address_and_its_values_are_not_those_of_now(team: Team, client: PageClient) -> None:
    now = time.time()
    append_rows(team, [TeamSample(now - 600 * back, 600.0, float(back), 1) for back in range(300, -1, -1)])
    day = client.get("/plots?range=day").text
    earlier = re.search(r'href="(/plots\?range=day&amp;until=\d+)">Earlier', day)
    assert earlier is not None
    assert "Later" not in day
    assert "is-past" not in day
    shown = client.get(unescape(earlier[1])).text
    full_hour = client.get(f"/plots?range=day&until={int(now // 3600 - 24) * 3600}").text
    assert ">Later</a>" in shown
    assert 'class="plots is-past"' in shown
    assert "<b>144</b> a minute" in shown or "<b>145</b> a minute" in shown
    for each in (full_hour, shown):
        closer = re.findall(r'href="(/plots\?until=\d+)">\d\d:00<', each)
        assert len(closer) == 24
    assert client.get(closer[3]).status == 200
    assert "is-past" not in client.get("/plots?until=99999999999").text
