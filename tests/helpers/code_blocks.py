"""The blocks of code on the pages for people: README, CONTRIBUTING, SECURITY and docs.

A block that no rule recognises is a block of shell, so each new block is found. A mark above a block says otherwise.
``<!-- shown -->``: it shows what is printed, a file of another program, or a picture.
``<!-- not run: WORD -->``: the tests parse it, but do not run it; the word is one of ``REASONS``.
"""

import ast
import json
import re
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from helpers.source_tree import ROOT

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(ROOT.glob("docs/**/*.md"))
REASONS = {
    "build": "it installs, builds or tests teamsup itself: .ci/run and tests/deploy do that",
    "claude": "it changes the Claude Code of this user, which may have no login: tests/claude runs the real one",
    "docker": "it needs a Docker daemon: tests/deploy/test_container.py runs the same without one",
    "host": "it changes this machine, as root or with its service manager",
    "remote": "it needs another machine, or a server of PostgreSQL under the name of an example",
    "shells": "each line belongs to another shell: tests/cli/completion runs it there",
}
"""Why a block of shell is not run, by the word of its mark."""


class Language(StrEnum):
    """What a block is written in."""

    JSON = "json"
    SHOWN = "shown"
    PYTHON = "python"
    SHELL = "sh"
    SQL = "sql"
    TOML = "toml"


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A block of code of a page. ``mark`` is the text of the comment above it."""

    page: Path
    line: int
    text: str
    fence: str = ""
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def language(self) -> Language:
        """The language that the mark or the fence names, else the first that recognises the text."""
        named = self.mark or self.fence
        if named in {*Language}:
            return Language(named)
        return Language.SHELL if self.mark else recognise(self.text)

    @property
    def reason(self) -> str:
        """The word that says why it is not run; empty: it is run."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""


def blocks_of(page: Path) -> Iterator[CodeBlock]:
    """Yield the blocks of a page, indented and fenced. Within an item of a list they are indented further."""
    lines = [*page.read_text("utf-8").splitlines(), ""]
    item, mark, at = 0, "", 0
    while at < len(lines):
        line = lines[at]
        indent = len(line) - len(line.lstrip())
        begun = at
        if fence := re.match(r"\s*```(\S*)$", line):
            at = next(end for end in range(at + 1, len(lines)) if lines[end].strip() == "```") + 1
            if not fence[1].startswith("{"):  # a directive of Sphinx
                yield CodeBlock(page, begun + 1, textwrap.dedent("\n".join(lines[begun + 1 : at - 1])), fence[1], mark)
        elif line.strip() and indent >= item + 4 and (not lines[at - 1].strip() or lines[at - 1].startswith("<!--")):
            while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" " * (item + 4))):
                at += 1
            yield CodeBlock(page, begun + 1, textwrap.dedent("\n".join(lines[begun:at])).strip("\n"), mark=mark)
        else:
            at += 1
        if begun + 1 == at and line.strip():
            if head := re.match(r"\s*(?:[-*]|\d+\.) +", line):
                item = len(head[0])
            elif indent < item and not lines[begun - 1].strip():
                item = 0
        if line.strip() or begun + 1 != at:
            mark = found[1] if (found := re.fullmatch(r"\s*<!-- (.+) -->", line)) else ""


def recognise(text: str) -> Language:
    """Return the language of a block without a mark: shell, unless it is well-formed in another one."""
    first = text.lstrip().partition("\n")[0]
    if re.match(r"(SELECT|INSERT|UPDATE|CREATE) ", first):
        return Language.SQL
    with suppress(ValueError):
        if objects_of(text):
            return Language.JSON
    with suppress(tomllib.TOMLDecodeError):
        if tomllib.loads(text) or text.startswith("#:"):
            return Language.TOML
    with suppress(SyntaxError):
        if not all(
            isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call) for node in ast.parse(text).body
        ):
            return Language.PYTHON  # `make test` is not, and `ls -a` would only subtract
    return Language.SHELL


def objects_of(text: str) -> list[object]:
    """Return the values of JSON: one in all lines, or one in each. Raise ValueError for another text."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def lines_of_shell(block: CodeBlock) -> list[str]:
    """Return the lines that a person types: those behind ``$``, where the block also shows what is printed."""
    typed = re.findall(r"^\$ (.*)$", block.text, re.MULTILINE)
    return typed or block.text.splitlines()


def all_blocks(*languages: Language) -> list[CodeBlock]:
    """Return the blocks of all pages in these languages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]
