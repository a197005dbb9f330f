"""Pages without a session: to sign in, and to explain what went wrong."""

from datetime import UTC, datetime

from .rendering import render


def render_sign_in(team: str, wanted: str, trouble: str) -> str:
    """Return the page that exchanges the secret of a link. ``wanted`` is the address to show then."""
    return render("sign_in.html", datetime.now(UTC), team=team, wanted=wanted, trouble=trouble)


def render_error(title: str, sentence: str, retry_seconds: int = 0) -> str:
    """Return the page that says why there is no other. After ``retry_seconds`` a browser asks again; 0: it does not."""
    return render("error.html", datetime.now(UTC), title=title, sentence=sentence, retry_seconds=retry_seconds)
