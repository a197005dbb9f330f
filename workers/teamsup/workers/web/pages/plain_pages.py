"""Pages without a session: one to sign in, and one for errors."""

from datetime import UTC, datetime

from .rendering import render


def render_sign_in(team: str, wanted: str, trouble: str) -> str:
    """Return the page that exchanges the secret of a link for a session. ``wanted`` is the address to show
    afterwards.
    """
    return render("sign_in.html", datetime.now(UTC), team=team, wanted=wanted, trouble=trouble)


def render_error(title: str, sentence: str, retry_seconds: int = 0) -> str:
    """Return the page that explains an error. The browser asks again after ``retry_seconds``, or never if that is 0."""
    return render("error.html", datetime.now(UTC), title=title, sentence=sentence, retry_seconds=retry_seconds)
