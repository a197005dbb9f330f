"""Search marks the words that it found, and escapes everything else."""

from teamsup.workers.web.pages.search_page import highlight


def test_found_words_are_marked_in_any_case() -> None:
    assert highlight("The Replica lags", "replica lags") == "The <mark>Replica</mark> <mark>lags</mark>"


def test_a_text_cannot_bring_markup_of_its_own() -> None:
    shown = highlight("<script>alert(1)</script> & replica", "script replica")
    assert "<script" not in shown
    assert "&lt;<mark>script</mark>&gt;" in shown


def test_a_long_text_is_cut_around_the_first_word() -> None:
    shown = highlight("x " * 500 + "needle" + " y" * 500, "needle")
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "<mark>needle</mark>" in shown


def test_signs_of_a_pattern_are_words_too() -> None:
    assert highlight("cost (1.5)", "(1.5)") == "cost <mark>(1.5)</mark>"
