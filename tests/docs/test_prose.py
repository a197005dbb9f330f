"""Pages, docstrings, comments and help texts: short sentences in plain words, and links that lead somewhere."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from helpers.prose import MODULES, PAGES, module_sentences, page_sentences
from helpers.source_tree import ROOT

WORDS = 25
_PHRASES = (
    *("whoever", "whatever", "of whom", "of whose", "that which", "to nobody", "nobody who", "(is|are) (told|heard)"),
    *("c[oa]mes? of", "anew", "for ever", "all the same", "as it is", "put up", "but for (?!the)"),
    *(r"(?<!there )(is|are|was|were) no (?!longer)", "not [a-z]+ any ?more", r"has been heard"),
)
RETIRED_PHRASES = re.compile(rf"\b({'|'.join(_PHRASES)})\b", re.IGNORECASE)
"""Phrases that a reader has to read twice. Name who acts, or use the word of the field."""


def test_the_readme_has_fewer_than_120_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_has_short_sentences_in_plain_words(page: Path) -> None:
    assert find_hard_sentences(page_sentences(page)) == []


def test_code_has_short_sentences_in_plain_words() -> None:
    found = {
        module.relative_to(ROOT).as_posix(): hard
        for module in MODULES
        if (hard := find_hard_sentences(module_sentences(module)))
    }
    assert found == {}


def test_the_name_of_a_test_begins_with_its_actor() -> None:
    """Name the actor: ``test_an_empty_text_is_refused``, not ``test_what_is_empty_is_refused``."""
    found = [
        f"{module.relative_to(ROOT).as_posix()}: {name}"
        for module in MODULES
        for name in re.findall(r"def (test_(?:what|whatever|who|whoever|whose|of)_\w+)", module.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_page_or_a_heading_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            broken.append(target)
    assert broken == []


def find_hard_sentences(sentences: Iterable[str]) -> list[str]:
    """Return the sentences that are too long or have a retired phrase, with their words or that phrase in front."""
    hard = []
    for sentence in sentences:
        if (words := len(sentence.split())) > WORDS:
            hard.append(f"{words} words: {sentence}")
        if phrase := RETIRED_PHRASES.search(sentence):
            hard.append(f"{phrase[0]!r}: {sentence}")
    return hard


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
