"""The sentences of pages and of code."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.source_tree import ROOT, ROOTS, nodes_in, nodes_of

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(page for folder in ("docs", "deploy", "tests") for page in (ROOT / folder).rglob("*.md")),
]
MODULES = sorted(
    path
    for root in ("hub", "supervisor", "workers", "deploy", "tests", "benchmarks", "docs")
    for path in (ROOT / root).rglob("*.py")
)
_BLOCK_END = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=\||#| {4})|\|")
_LIST_ITEM = re.compile(r"\n\s*(?:[-*]|\d+\.) ")
_CODE = re.compile(r"[{}=<\\]|--\S+ --|\n.*\n.*\n|\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|PRAGMA|BEGIN|import)\b")
_TEXT_OR_COMMENT = re.compile(r"""("{3}|'{3}|["'])(?:\\.|[^\\])*?\1|(?P<comment>#[^\n]*)""", re.DOTALL)
"""What may contain a number sign, in Python before 3.12: tokenize is correct for any, and takes ten times as long."""
_MIN_WORDS = 4
"""A literal with fewer words is not a sentence."""


def page_sentences(page: Path) -> Iterator[str]:
    """Yield the sentences of a page, without blocks of code and targets of links.

    An item of a list continues the sentence above it, unless that has ended with a full stop.
    """
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(    |\t).*$", "", text, flags=re.MULTILINE)
    text = _LIST_ITEM.sub(" ", re.sub(r"^(#.*)$", r"\1.", text, flags=re.MULTILINE))
    yield from split_sentences(re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text), ends=".!?")


def module_sentences(module: Path) -> Iterator[str]:
    """Yield the sentences of a module's docstrings, comments and literals; a semicolon ends one too."""
    code = module.read_text("utf-8")
    is_shared = module.relative_to(ROOT).parts[0] in ROOTS
    for node in nodes_of(module) if is_shared else nodes_in(code):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield from split_sentences(inspect.cleandoc(text), ends=".!?;")
            case ast.Constant(value=str()) | ast.JoinedStr():
                text = _literal(node)
                if len(text.split()) >= _MIN_WORDS and not _CODE.search(text):
                    yield from split_sentences(text, ends=".!?;")
    for comment in _comments(code):
        yield from split_sentences(comment, ends=".!?;")


def split_sentences(text: str, ends: str) -> Iterator[str]:
    """Yield the sentences of a text; a cell of a table, an item of a list or an indented line ends one."""
    for block in _BLOCK_END.split(re.sub(r"``?[^`]*``?", "CODE", text)):
        for sentence in re.split(rf'(?<=[{ends}])["”)]?\s+|:\s*$', " ".join(block.split())):
            if sentence:
                yield sentence


def _literal(node: ast.expr) -> str:
    """Return the text of a literal, with X in place of each value; empty for any other expression."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_literal(part) or "X" for part in parts)
    return ""


def _comments(code: str) -> Iterator[str]:
    """Yield each comment; lines of comment that follow each other are one."""
    block, end = "", -2
    for match in _TEXT_OR_COMMENT.finditer(code):
        if match["comment"] is None:
            continue
        begin = code.rfind("\n", 0, match.start()) + 1
        is_alone = not code[begin : match.start()].strip()
        if begin != end + 1:
            yield block
            block = ""
        block += match[0].lstrip("#:! ") + " "
        end = match.end() if is_alone else -2
    yield block
