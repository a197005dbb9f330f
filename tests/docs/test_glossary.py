"""docs/glossary.md is the vocabulary: public classes, modules and tables are built of its words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.source_tree import ROOT, ROOTS, nodes_of
from helpers.vocabulary import words_of

PLAIN_WORDS = Path(__file__).with_name("plain_words.txt")
ENDINGS = ("ness", "ation", "ator", "ate", "ies", "s", "ing", "ed", "er", "or", "ion", "ment", "al", "e", "y")


def test_public_names_are_built_of_the_words_of_the_glossary() -> None:
    """Rename what fails, explain its word in docs/glossary.md, or add a plain word to plain_words.txt."""
    known = {stem(word) for word in glossary() | plain_words()}
    unknown = {
        name: strange
        for name in sorted(public_names())
        if (strange := [word for word in words_of(name) if stem(word) not in known])
    }
    assert unknown == {}


def test_the_glossary_explains_each_word_once() -> None:
    terms = re.findall(r"^\*\*(.+?)\*\* - .+\.$", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    assert len(terms) == len(set(terms)) > 70


def glossary() -> set[str]:
    """Return the words of which the glossary's terms consist."""
    terms = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    return {word for term in terms for word in re.split(r"[ _-]", term)}


def plain_words() -> set[str]:
    """Return the words that need no explanation."""
    lines = PLAIN_WORDS.read_text("utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def public_names() -> set[str]:
    """Return the names of the public classes, modules, folders and tables of teamsup."""
    return {name for root in ROOTS for name in _names_below(ROOT / root / "teamsup") if not name.startswith("_")}


def _names_below(package: Path) -> Iterator[str]:
    for path in package.rglob("*.py"):
        yield from path.relative_to(package).with_suffix("").parts
        yield from (node.name for node in nodes_of(path) if isinstance(node, ast.ClassDef))
    scripts = "".join(path.read_text("utf-8") for path in package.rglob("*.sql"))
    new_names = dict(re.findall(r"ALTER TABLE (\w+) RENAME TO (\w+)", scripts))
    made = re.findall(r'CREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?"?(\w+)', scripts)
    yield from (new_names.get(name, name) for name in made)


def stem(word: str) -> str:
    """Return the word without its endings: escalator, escalation and escalated have the same stem."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return stem(word.removesuffix(ending))
    return word
