"""What none of them would send is refused in a sentence."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamsup.workers.monitor_bridge.sources import PARSERS, BadPayload
from vendor_payloads import news, payload

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def understood_or_refused(kind: str, body: object) -> None:
    reason = "."
    try:
        news(kind, body)
    except BadPayload as refused:
        reason = str(refused)
    assert reason.endswith(".")


@pytest.mark.parametrize("kind", PARSERS)
@unhurried
@given(body=ANYTHING)
def test_whatever_comes_is_understood_or_refused_in_a_sentence(kind: str, body: object) -> None:
    understood_or_refused(kind, body)


EXAMPLES = [
    ("alertmanager", "alertmanager_firing.json"),
    ("grafana", "grafana_firing.json"),
    ("google_cloud", "google_open.json"),
    ("oracle_cloud", "oracle_grouped.json"),
    ("uptime_kuma", "uptime_kuma_down.json"),
    ("healthchecks", "healthchecks_down.json"),
]


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
@unhurried
@given(data=st.data())
def test_a_payload_with_anything_in_any_place_is_understood_or_refused(
    kind: str, name: str, data: st.DataObject
) -> None:
    whole = place = payload(name)
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(ANYTHING)
            break
        place = place[key]
    understood_or_refused(kind, whole)
