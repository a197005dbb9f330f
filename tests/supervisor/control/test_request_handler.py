"""Which workers and signals the words of a request name."""

import signal

import pytest

from teamsup.hub import CallerError
from teamsup.supervisor.control.request_handler import match_workers, parse_signal

PROGRAMS = ("gateway", "web-1", "web-2", "web-*")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web-1", ["web-1"]),
        ("web-?", ["web-1", "web-2", "web-*"]),
        ("web-*", ["web-*"]),
        ("*a*", ["gateway"]),
        ("[gx]*", ["gateway"]),
    ],
)
def test_a_name_counts_before_a_pattern(pattern: str, names: list[str]) -> None:
    assert match_workers(pattern, PROGRAMS) == names


def test_a_pattern_that_no_worker_matches_is_refused() -> None:
    with pytest.raises(CallerError, match=r"There is no worker 'db-\*'; there are gateway"):
        match_workers("db-*", PROGRAMS)


@pytest.mark.parametrize("word", ["USR1", "sigusr1", "usr1"])
def test_a_signal_has_its_usual_names(word: str) -> None:
    assert parse_signal(word) is signal.SIGUSR1


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(CallerError, match="There is no signal 'USR9'"):
        parse_signal("USR9")
