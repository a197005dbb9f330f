"""The teamsup.toml of ``teamsup init``: every key, commented out, with its default or an example."""

import textwrap
from collections.abc import Iterator

from .described_sections import DescribedKey, DescribedSection, describe_sections, write_toml
from .schema import SCHEMA_FILE

_WIDTH = 120
_COLUMN = 42
"""The column at which the meanings begin."""
_HEAD = f"""\
#:schema ./{SCHEMA_FILE}
# teamsup.toml shows every key with its default or an example. To change one, remove the "# " of its line.
# Each section may appear once. Replace "example" in a title by a name of your own.
# 'teamsup reload' applies the file to a running team, and restarts only the workers whose settings have changed.
# Until then the team uses the last accepted file; 'teamsup ps' shows when the saved file differs or is wrong.
# 'teamsup config check' shows every mistake; 'teamsup config show' shows where each value comes from.
"""


def render_template() -> str:
    """Return the text of the file. All keys are commented out, so the file has the same effect as an empty file."""
    return "\n".join([_HEAD, *(line for section in describe_sections() for line in _render_section(section))])


def _render_section(section: DescribedSection) -> Iterator[str]:
    more = " You can add several." if section.is_group else ""
    yield from textwrap.wrap(section.text + more, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    yield f"# [{section.name}.example]" if section.is_group else section.title
    for each in section.keys:
        yield from _render_key(each)
    yield ""


def _render_key(each: DescribedKey) -> Iterator[str]:
    line = f"# {each.key.name} = {each.key.example or write_toml(each.key.default)}"
    words = textwrap.wrap(_explain(each), _WIDTH - _COLUMN - 2)
    if len(line) + 2 > _COLUMN:
        yield line
        line = "#"
    for text in words:
        yield f"{line:{_COLUMN}}# {text}"
        line = "#"


def _explain(each: DescribedKey) -> str:
    is_named = all(choice in each.meaning for choice in each.choices)
    parts = (
        "Required." if each.key.is_required else "",
        each.meaning,
        "" if is_named else f"One of {', '.join(each.choices)}.",
        _explain_default(each) if each.key.example and not each.key.is_required else "",
    )
    return " ".join(filter(None, parts))


def _explain_default(each: DescribedKey) -> str:
    """Return the default of a key with an example, unless the meaning contains it."""
    if each.key.default is None:
        return "" if "default" in each.meaning else "Default: none."
    default = write_toml(each.key.default)
    return "" if "empty:" in each.meaning or f"{default}:" in each.meaning else f"Default: {default}."
