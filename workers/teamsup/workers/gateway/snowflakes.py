"""Discord's numbers carry their time. Pure."""

_EPOCH = 1_420_070_400.0  # the first second of 2015


def written_at(snowflake: int) -> float:
    """When it was made, in Unix seconds."""
    return (snowflake >> 22) / 1000 + _EPOCH


def first_at(seconds: float) -> int:
    """The smallest number of that moment."""
    return max(0, int((seconds - _EPOCH) * 1000)) << 22
