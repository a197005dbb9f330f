"""The page docs/configuration.md: every key of teamsup.toml."""

from collections.abc import Iterator

from .described_sections import DescribedKey, DescribedSection, describe_sections, write_toml

_HEAD = """\
# Configuration

Every key of `teamsup.toml`. This page is made from the code: `docs/write_configuration.py` writes it.

- `teamsup init` writes the file with every key as a comment. `teamsup reload` applies it to a running team.
- `teamsup config check` shows every mistake with its line.
- `teamsup config show` shows each value, and whether it comes from the file, the environment or the default. It shows
  no secret. With `--defaults` it shows what holds without a file.
- `teamsup config schema --write` writes the JSON Schema of the file beside it, as `teamsup init` does. Do it again
  after an upgrade, or when a package brings more sections.

An editor with taplo, such as Visual Studio Code with Even Better TOML, completes and checks the file. Its first line
names the schema, and nothing is fetched from a network:

    #:schema ./teamsup.schema.json
"""


def render_page() -> str:
    """Return the text of the page, for the installed components."""
    return "\n".join([_HEAD, *(line for each in describe_sections() for line in _render_section(each))])


def _render_section(section: DescribedSection) -> Iterator[str]:
    yield f"## {section.title}\n\n{section.text}\n"
    yield "| key | meaning | unit | default | value |\n|---|---|---|---|---|"
    yield from map(_render_key, section.keys)
    yield ""
    for each in section.keys:
        if each.table is not None and each.key.name == _first_of_table(section, each):
            yield from _render_section(each.table)


def _first_of_table(section: DescribedSection, each: DescribedKey) -> str:
    """Return the first key whose value has the same keys, because these are explained once."""
    return next(
        other.key.name for other in section.keys if other.table and each.table and other.table.kind is each.table.kind
    )


def _render_key(each: DescribedKey) -> str:
    default = "required" if each.key.is_required else "none" if each.key.default is None else ""
    cells = (f"`{each.key.name}`", each.meaning, each.unit, default or f"`{write_toml(each.key.default)}`", each.range)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
