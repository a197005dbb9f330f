"""The output of ``teamsup config show``: a teamsup.toml whose comments say where each value comes from."""

from collections.abc import Iterator, Sequence

from .described_sections import DescribedKey, describe_sections, write_toml
from .effective import EffectiveSection, EffectiveValue, SecretVariable

_COLUMN = 44


def render_values(sections: Sequence[EffectiveSection], secrets: Sequence[SecretVariable]) -> Iterator[str]:
    """Yield the lines of a file with these values."""
    for section in sections:
        yield f"\n[{section.name}]"
        for each in section.values:
            yield _render(each, f"{each.origin}, {each.variable}" if each.variable else each.origin)
    if secrets:
        yield "\n# Variables with secrets, as this command sees them:"
    for secret in secrets:
        where = f"set in {secret.set_in}" if secret.set_in else "not set"
        yield f"# {secret.name} of {', '.join(secret.workers)}: {where}"


def render_defaults(sections: Sequence[EffectiveSection]) -> Iterator[str]:
    """Yield the lines of a file with the defaults. The comments say what each value may be."""
    keys = {(each.name, key.key.name): key for each in describe_sections() for key in each.keys}
    for section in sections:
        yield f"\n[{section.name}]"
        for each in section.values:
            yield _render(each, _describe(keys[section.name.partition(".")[0], each.key]))


def _render(each: EffectiveValue, comment: str) -> str:
    line = f"# {each.key}: no value" if each.value is None else f"{each.key} = {write_toml(each.value)}"
    return f"{line:{_COLUMN}} # {comment}"


def _describe(each: DescribedKey) -> str:
    range_ = each.range.replace("`", "")
    return f"{each.unit}, {range_}" if each.unit else range_
