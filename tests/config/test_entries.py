"""Search in the entries of a component."""

from itertools import islice

import pytest

from teamsup.config.entries import has_words, take_matching


@pytest.mark.parametrize(
    ("words", "fits"),
    [("", True), ("disk", True), ("DB1 full", True), ("full db2", False), ("  disk ", True), ("ann", True)],
)
def test_all_words_must_stand_in_the_texts(words: str, fits: bool) -> None:
    assert has_words(words, "DiskFull: /var on db1", "Ann") == fits


def test_a_search_reads_as_far_as_it_must() -> None:
    asked = []

    def read(before: int | None) -> list[int]:
        asked.append(before)
        newest = 10 if before is None else before - 1
        return list(range(newest, max(newest - 3, 0), -1))

    found = take_matching(read, lambda number: number, lambda number: number % 2 == 0, None)
    assert list(islice(found, 2)) == [10, 8]
    assert asked == [None]
    assert list(found) == [6, 4, 2]
    assert list(take_matching(read, lambda number: number, lambda _: True, 3)) == [2, 1]
