"""What strangers have written, bounded and made harmless."""

import pytest

from helpers.vendor_payloads import parse_alert


def test_texts_are_bounded_and_steer_nothing() -> None:
    evil = "a\x1b]0;x\x07\u202egnp\u061c\u2028\ud800\N{ZERO WIDTH NO-BREAK SPACE}\r\n@everyone" + "z" * 10_000
    labels = {f"{number}{evil}": evil for number in range(100)}
    found = parse_alert("plain", {"title": evil, "text": evil, "key": evil, "group": evil, "labels": labels})

    assert (len(found.title), len(found.text), len(found.labels)) == (200, 4000, 64)
    assert max(len(found.fingerprint), len(found.group), len(found.subject)) <= 120
    assert all(len(name) <= 100 and len(value) <= 500 for name, value in found.labels.items())
    for text in (
        found.title,
        found.text,
        found.fingerprint,
        found.group,
        found.subject,
        *found.labels,
        *found.labels.values(),
    ):
        text.encode()
        assert not set(text) & set("\x1b\x07\u202e\u061c\u2028\ud800\ufeff\r")
    assert "\n" not in found.title + found.fingerprint + "".join(found.labels.values())


def test_long_identities_that_differ_at_their_end_stay_different() -> None:
    first, second = (parse_alert("plain", {"title": "x", "key": "k" * 5000 + end}) for end in "ab")
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://a b", "https://a\n", "https://" + "a" * 2000, "/graph"]
)
def test_a_text_that_is_not_a_link_is_left_out(link: str) -> None:
    assert parse_alert("plain", {"title": "x", "link": link}).link == ""
