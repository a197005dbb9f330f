"""The range of a number in words, and what it refuses."""

import pytest

from teamsup.config.keys import SIZE, Number


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (Number("files", 1, 100), "from 1 to 100"),
        (Number("seconds", 0, 3600, is_above=True), "above 0 and at most 3600"),
        (Number("seconds", 0.1, 86400), "from 0.1 to 86400, which is a day"),
        (Number("seconds", 60, 604800, or_zero=True), "0, or from 60 to 604800, which is 7 days"),
        (Number("Discord IDs", 1, 2**63 - 1), "from 1 to 9223372036854775807"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_the_range(number: Number, words: str) -> None:
    number.check(number.most)
    for wrong in (number.least if number.is_above else number.least - 1, number.most + 1):
        if not (wrong == 0 and number.or_zero):
            with pytest.raises(ValueError, match=rf"^must be {words}$"):
                number.check(wrong)


def test_a_text_of_another_form_is_refused_with_an_example() -> None:
    SIZE.check("1.5 GiB")
    with pytest.raises(ValueError, match=r"must be a size such as .500 MiB., not '4 gigs'"):
        SIZE.check("4 gigs")
