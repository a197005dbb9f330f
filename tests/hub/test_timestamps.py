"""Times as they are stored, and as they are read."""

import hypothesis.strategies as st
from hypothesis import example, given

from teamsup.hub.timestamps import as_datetime, format_time, parse_time


@given(st.floats(0, 4e9))
@example(1797998409.8209999)
def test_a_time_is_read_as_it_was_handed_out(seconds: float) -> None:
    assert parse_time(format_time(seconds)) == as_datetime(seconds)
