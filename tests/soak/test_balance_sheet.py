"""The balance sheet names what is doubled, lost, out of order, left or growing, and nothing else."""

import dataclasses

import pytest

from soak.whole_team.balance_sheet import BalanceSheet, render_sheet
from soak.whole_team.book import Arrival, Book, find_doubled, find_out_of_order
from soak.whole_team.growth import WARM_UP_SECONDS, Sample, fit_slope, measure_growth


def full_book(*nonces: str, stream: str = "channel") -> Book:
    book = Book("people")
    for number, nonce in enumerate(nonces):
        book.begin(nonce, stream)
        book.confirm(nonce)
        book.deliver(nonce, f"#{number}")
        book.answer(nonce, f"answer {number}")
    return book


def make_sheet(**changed: object) -> BalanceSheet:
    sheet = BalanceSheet(
        engine="sqlite",
        seed=7,
        seconds=60,
        quiet_seconds=3,
        machine="two cores",
        rows=[full_book("a", "b").close()],
        chaos_faults={"worker killed": 2},
        skipped={},
        restarts={"web": 2},
        sessions=3,
        dead_letters=0,
        left_processes=[],
        left_files=[],
        problems=[],
        growth=[],
    )
    return dataclasses.replace(sheet, **changed)  # type: ignore[arg-type]


def test_a_message_that_reached_both_ends_once_and_in_order_is_even() -> None:
    row = full_book("a", "b").close()

    assert (row.sent, row.delivered, row.answered) == (2, 2, 2)
    assert row.is_even


def test_a_message_that_was_read_again_is_not_doubled() -> None:
    book = full_book("a")
    book.deliver("a", "#0")

    row = book.close()

    assert (row.again, row.doubled) == (1, [])


def test_a_second_message_with_the_same_word_is_doubled() -> None:
    book = full_book("a", "b")
    book.answer("a", "another number")

    assert book.close().doubled == ["a"]
    assert find_doubled([Arrival("a", "1"), Arrival("a", "2"), Arrival("b", "1")]) == ["a"]


def test_a_confirmed_message_without_an_answer_is_lost_unless_its_outcome_is_known_to_be_unknown() -> None:
    book = full_book("a", "b", "c")
    for nonce in ("d", "e", "f"):
        book.begin(nonce)
    book.confirm("d")
    book.confirm("e")
    book.excused = {"e"}

    row = book.close()

    assert list(row.lost) == ["d"]
    assert row.unknown == 2


def test_a_message_that_an_interrupted_run_has_not_seen_is_open_and_not_lost() -> None:
    book = full_book("a")
    book.begin("b")
    book.confirm("b")

    row = book.close(is_interrupted=True)

    assert (list(row.open), list(row.lost)) == (["b"], [])


@pytest.mark.parametrize(
    ("arrived", "late"),
    [("abc", ""), ("acb", "b"), ("cab", "ab"), ("aabc", ""), ("acbc", "b"), ("bc", ""), ("ab", "")],
)
def test_a_message_is_out_of_order_if_a_later_one_of_its_stream_came_first(arrived: str, late: str) -> None:
    assert find_out_of_order(dict.fromkeys("abc", "channel"), arrived) == list(late)


def test_streams_have_an_order_of_their_own_and_messages_without_one_have_none() -> None:
    assert find_out_of_order({"a": "x", "b": "y"}, "ba") == []
    assert find_out_of_order({"a": "", "b": ""}, "ba") == []


def test_an_answer_that_only_the_store_knows_has_no_order_and_is_not_doubled() -> None:
    book = full_book("a", "b")
    book.begin("c", "channel")
    book.confirm("c")
    book.deliver("c", "#3")
    book.settled = {"a", "b", "c"}

    row = book.close()

    assert row.is_even
    assert row.answered == 3


def series(*values: float, incarnation: int = 1, begin: float = 0.0, age: float = WARM_UP_SECONDS) -> list[Sample]:
    return [Sample(begin + 60.0 * at, "web", incarnation, value, age) for at, value in enumerate(values)]


def test_growth_is_the_slope_within_each_process_so_that_a_new_process_is_no_growth() -> None:
    assert fit_slope(series(1, 2, 3)) * 60 == pytest.approx(1.0)
    assert fit_slope([*series(50, 50), *series(90, 90, incarnation=2, begin=500)]) == 0.0
    assert fit_slope([]) == 0.0


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([40.0] * 20, "flat"),
        ([40.0 + each for each in range(20)], "not flat"),
        ([10.0 * each for each in range(10)] + [90.0] * 11, "flat"),
        ([40.0, 90.0, 140.0], "too short to tell"),
    ],
)
def test_only_the_second_half_is_judged_and_not_if_it_is_short(values: list[float], verdict: str) -> None:
    (growth,) = measure_growth(series(*values), "MiB", limit=6.0)

    assert growth.verdict == verdict


def test_short_lives_in_a_row_say_nothing_about_growth() -> None:
    """The supervisor is killed once a minute. Each of its processes fills its caches, and all reach the same level."""
    lives = [each for number in range(20) for each in series(29, 31, incarnation=number, begin=120.0 * number)]

    (growth,) = measure_growth(lives, "MiB", limit=6.0)

    assert growth.verdict == "too short to tell"


def test_a_process_that_is_still_importing_says_nothing_about_growth() -> None:
    assert measure_growth(series(10, 20, 70, age=1.0), "MiB", limit=6.0) == []


def test_an_even_sheet_has_no_faults() -> None:
    assert make_sheet().faults == []
    assert "even: nothing is doubled" in render_sheet(make_sheet())


def test_a_sheet_names_the_offenders() -> None:
    book = full_book("a", "b")
    book.begin("c", "channel")
    book.confirm("c")
    sheet = make_sheet(
        rows=[book.close()],
        left_processes=["4121 web"],
        left_files=["run/lead@4"],
        problems=["a page is still"],
        growth=measure_growth(series(*range(0, 200, 10)), "MiB", limit=6.0),
    )

    text = render_sheet(sheet)

    for words in (
        "people, lost: c",
        "processes left: 4121 web",
        "files left: run/lead@4",
        "a page is still",
        "web grows",
    ):
        assert f"NOT EVEN: {words}" in text or words in text
    assert len(sheet.faults) == 5
    assert sheet.as_json()["faults"] == sheet.faults


def test_a_long_list_of_offenders_is_cut_on_the_terminal_alone() -> None:
    names = [f"row-{number}" for number in range(30)]

    (fault,) = make_sheet(left_files=names).faults

    assert fault.endswith("row-9 and 20 more")
    assert make_sheet(left_files=names).as_json()["left_files"] == names


def test_an_interrupted_sheet_says_so() -> None:
    assert "interrupted: what was seen so far" in render_sheet(make_sheet(is_interrupted=True))
