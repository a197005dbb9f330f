"""Links that work once, and the sessions of browsers."""

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.workers.web.access.sessions import (
    LINK_SECONDS,
    SESSION_SECONDS,
    create_link,
    end_all_sessions,
    end_session,
    find_session,
    list_sessions,
    name_browser,
    redeem_link,
)

pytestmark = pytest.mark.both_engines

NOW = 1_800_000_000.0
DAY = 86400.0


def test_a_link_works_once(hub: MessageHub) -> None:
    secret = create_link(hub, "ann", NOW)
    session = redeem_link(hub, secret, NOW + 1)
    assert session is not None
    assert session.person == "ann"
    assert redeem_link(hub, secret, NOW + 2) is None


def test_a_link_works_for_ten_minutes(hub: MessageHub) -> None:
    assert redeem_link(hub, create_link(hub, "ann", NOW), NOW + LINK_SECONDS - 1) is not None
    assert redeem_link(hub, create_link(hub, "ann", NOW), NOW + LINK_SECONDS) is None


def test_a_clock_that_was_set_back_gives_a_link_no_longer_life(hub: MessageHub) -> None:
    assert redeem_link(hub, create_link(hub, "ann", NOW), NOW - 60) is None


@pytest.mark.parametrize("secret", ["", "wrong", "x" * 10_000, "\0", "ä\ud800"])
def test_a_wrong_secret_signs_nobody_in(hub: MessageHub, secret: str) -> None:
    create_link(hub, "ann", NOW)
    assert redeem_link(hub, secret, NOW) is None
    assert find_session(hub, secret, NOW) is None


def test_a_wrong_secret_waits_for_no_other_writer(hub: MessageHub, team: Team) -> None:
    with MessageHub(team) as other, other.transaction():
        assert redeem_link(hub, "wrong", NOW) is None


def test_a_session_is_found_by_its_secret_until_it_is_ended(hub: MessageHub) -> None:
    session = redeem_link(hub, create_link(hub, "ann", NOW), NOW)
    assert session is not None
    assert find_session(hub, session.secret, NOW) == session
    end_session(hub, session.id)
    assert find_session(hub, session.secret, NOW) is None


def test_a_session_lasts_while_it_is_used(hub: MessageHub) -> None:
    session = redeem_link(hub, create_link(hub, "ann", NOW), NOW)
    assert session is not None
    assert find_session(hub, session.secret, NOW + 20 * DAY) is not None
    assert find_session(hub, session.secret, NOW + 20 * DAY + SESSION_SECONDS - 1) is not None
    assert find_session(hub, session.secret, NOW + 200 * DAY) is None


def test_the_store_has_no_secret(hub: MessageHub, team: Team) -> None:
    link = create_link(hub, "ann", NOW)
    session = redeem_link(hub, create_link(hub, "ben", NOW), NOW)
    assert session is not None
    stored = str(run_foreign_sql(team, "SELECT * FROM web_links")) + str(
        run_foreign_sql(team, "SELECT * FROM web_sessions")
    )
    assert "ann" in stored
    assert "ben" in stored
    for secret in (link, session.secret, session.csrf_token):
        assert secret not in stored


def test_each_session_has_a_token_that_does_not_show_its_secret(hub: MessageHub) -> None:
    sessions = [redeem_link(hub, create_link(hub, "ann", NOW), NOW) for _ in range(2)]
    tokens = {each.csrf_token for each in sessions if each is not None}
    assert len(tokens) == 2
    assert not any(each.secret in token for each in sessions if each is not None for token in tokens)


def test_a_list_shows_each_browser_of_a_person_or_of_all(hub: MessageHub) -> None:
    for number, person in enumerate(("ann", "ben", "ann")):
        redeem_link(hub, create_link(hub, person, NOW), NOW + number, f"Firefox {number}")
    assert [each.browser for each in list_sessions(hub, NOW)] == ["Firefox 2", "Firefox 1", "Firefox 0"]
    assert [each.browser for each in list_sessions(hub, NOW, "ann")] == ["Firefox 2", "Firefox 0"]
    assert list_sessions(hub, NOW + SESSION_SECONDS + 3) == []


def test_a_browser_of_another_person_is_not_signed_out(hub: MessageHub) -> None:
    session = redeem_link(hub, create_link(hub, "ann", NOW), NOW)
    assert session is not None
    assert not end_session(hub, session.id, "ben")
    assert find_session(hub, session.secret, NOW) == session
    assert end_session(hub, session.id, "ann")
    assert find_session(hub, session.secret, NOW) is None


def test_all_browsers_and_links_of_one_person_end_together(hub: MessageHub) -> None:
    sessions = [redeem_link(hub, create_link(hub, person, NOW), NOW) for person in ("ann", "ann", "ben")]
    link = create_link(hub, "ann", NOW)
    assert end_all_sessions(hub, "ann") == 2
    assert [each and find_session(hub, each.secret, NOW) for each in sessions] == [None, None, sessions[2]]
    assert redeem_link(hub, link, NOW) is None


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14.1; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5", ""),
        ("<script>", ""),
    ],
)
def test_a_browser_has_the_name_that_people_know(user_agent: str, name: str) -> None:
    assert name_browser(user_agent) == name
