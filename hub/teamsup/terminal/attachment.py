"""Files that a person at a terminal attaches to a message: ``/attach FILE TEXT``. Agents of this host read them."""

import os
import re
from pathlib import Path
from typing import Any

from teamsup.hub import InvalidMessage

from .formatting import sanitize

_ATTACH = re.compile(
    r"/attach(?:\s+(?:\"(?P<quoted>[^\"\n]+)\"|(?P<plain>(?:\\.|[^\s\\])+)))?(?:\s+(?P<text>.*))?",
    re.DOTALL | re.IGNORECASE,
)


def attach_file(line: str) -> tuple[str, dict[str, Any]]:
    """Return the content and the metadata for a person's line. Any line except ``/attach …`` does not change.

    Raise InvalidMessage if there is no such file.
    """
    match = _ATTACH.fullmatch(line)
    if match is None:
        return line, {}
    named = match["quoted"] or re.sub(r"\\(.)", r"\1", match["plain"] or "")
    if not named:
        raise InvalidMessage("Name a file: /attach FILE your text")
    path = Path(named).expanduser().absolute()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise InvalidMessage(f"There is no readable file {sanitize(str(path))}.")
    text = (match["text"] or "").strip()
    about = f"(attachment: {sanitize(path.name)}, {path.stat().st_size:,} bytes; saved as {sanitize(str(path))})"
    return "\n".join(filter(None, (text, about))), {"body_length": len(text)}
