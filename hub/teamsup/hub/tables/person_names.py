"""The names under which messages may know one person. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..validation import check_text


@dataclass(frozen=True, slots=True)
class PersonNames:
    """The names of a person: as an agent, in each terminal, and in other workers."""

    names: tuple[str, ...]
    user: str
    """The part of the name after its first colon, or the whole name if it has no colon."""

    def are_quoted(self, quotes: str | None) -> bool:
        """Return whether one of the names is in the ``quotes`` of a message's metadata: a JSON list, or one name."""
        try:
            found = json.loads(quotes or "[]")
        except ValueError:
            found = quotes
        return any(name in self.names for name in (found if isinstance(found, list) else [found]))


def known_names(person: str, everybody: Iterable[str]) -> PersonNames:
    """Return the names of a person; ``everybody`` has all names that the team knows."""
    given = check_text("person", person).strip()
    scheme, _, user = given.partition(":")
    names = {given, given.lower()}
    if given.lower().startswith("console-"):
        terminal = re.compile(re.escape(given.lower()) + r"-\d+")
        names |= {name for name in everybody if terminal.fullmatch(name)}
    return PersonNames(tuple(sorted(names)), user or scheme)
