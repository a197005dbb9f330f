"""Pages without a session: to sign in, and to explain what went wrong."""

from markupsafe import Markup

from ..static_files import asset

_FRAME = Markup("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>{script}</head>
<body><main><h1>{title}</h1>{content}</main></body></html>
""")
_SIGN_IN = Markup("""{trouble}<form method="post" action="/sign-in" id="sign-in">
<p>Make a link with <code>teamsup open</code>. It works once, for 10 minutes.</p>
<fieldset><label>The part of the link behind # <input name="secret" autocomplete="off" required></label>
<input type="hidden" name="next" value="{wanted}"><button>Sign in</button></fieldset></form>""")
_SCRIPT = Markup('<script type="module" src="{}"></script>')


def render_sign_in(team: str, wanted: str, trouble: str) -> str:
    """Return the page that exchanges the secret of a link. ``wanted`` is the address to show then."""
    alert = Markup('<p role="alert">{}</p>').format(trouble) if trouble else ""
    content = _SIGN_IN.format(trouble=alert, wanted=wanted)
    return _FRAME.format(title=f"Sign in to {team}", content=content, script=_SCRIPT.format(asset("sign-in.js")))


def render_error(title: str, sentence: str) -> str:
    """Return the page that says why there is no other."""
    content = Markup('<p>{}</p><p><a href="/">The team</a></p>').format(sentence)
    return _FRAME.format(title=title, content=content, script="")
