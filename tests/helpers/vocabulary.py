"""What the tests of names share: the words of a name."""

import re


def words_of(name: str) -> list[str]:
    """Return the words of a name, as of HTTPServer or http_server, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)]
