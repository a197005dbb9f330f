"""Who a cookie belongs to, also when many pages ask at once."""

import time

from teamsup.hub import MessageHub
from teamsup.workers.web.access.authenticator import Authenticator
from teamsup.workers.web.access.sessions import create_link, end_session


async def test_a_session_that_was_ended_elsewhere_is_known_a_little_longer_to_regions_alone(hub: MessageHub) -> None:
    access = Authenticator(hub, ())
    session = await access.sign_in(create_link(hub, "ann", time.time()), "127.0.0.1")
    assert session is not None
    cookies = {access.cookie: session.secret}
    assert await access.find_session(cookies) == session
    end_session(hub, session.id)
    assert await access.find_session(cookies, is_recent_enough=True) == session
    assert await access.find_session(cookies) is None
    assert await access.find_session(cookies, is_recent_enough=True) is None


async def test_a_session_that_is_ended_here_is_known_no_longer(hub: MessageHub) -> None:
    access = Authenticator(hub, ())
    session = await access.sign_in(create_link(hub, "ann", time.time()), "127.0.0.1")
    assert session is not None
    cookies = {access.cookie: session.secret}
    await access.find_session(cookies)
    await access.sign_out(session)
    assert await access.find_session(cookies, is_recent_enough=True) is None
