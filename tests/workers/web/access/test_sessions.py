"""Links that work once, and the sessions of browsers."""

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.workers.web.access.sessions import (
    LINK_SECONDS,
    SESSION_SECONDS,
    create_link,
    end_session,
    find_session,
    redeem_link,
)

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
    end_session(hub, session)
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
