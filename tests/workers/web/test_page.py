"""The version of a region, and what is only evidence in it."""

from markupsafe import Markup

from teamsup.workers.web.page import RenderedRegion


def region(html: str) -> RenderedRegion:
    return RenderedRegion("team", Markup(html))  # noqa: S704 - of a test


def test_the_same_content_has_the_same_version() -> None:
    assert region("<b>runs</b>").version == region("<b>runs</b>").version != region("<b>ended</b>").version


def test_ages_and_figures_are_evidence() -> None:
    early = region('<b>runs</b> <time data-age datetime="12:00">1 s ago</time> <data value="1">1 %</data>')
    late = region('<b>runs</b> <time data-age datetime="12:05">2 s ago</time> <data value="2">2 %</data>')
    assert early.version != late.version
    assert early.meaning == late.meaning


def test_a_word_beside_the_evidence_has_a_meaning() -> None:
    assert region("<time>1</time> runs <time>2</time>").meaning != region("<time>1</time> hangs <time>2</time>").meaning


def test_its_element_has_its_id_and_version() -> None:
    shown = region("<b>runs</b>")
    assert shown.attributes == f'id="team" data-region data-version="{shown.version}"'
