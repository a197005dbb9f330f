"""docs/decisions/README.md lists every decision record."""

import re
from pathlib import Path

RECORDS = Path(__file__).parents[2] / "docs" / "decisions"


def test_the_index_lists_every_record_by_its_title() -> None:
    listed = re.findall(r"^- \[(\d+\. .+)\]\((.+)\)$", (RECORDS / "README.md").read_text("utf-8"), re.MULTILINE)
    records = sorted(RECORDS.glob("[0-9]*.md"))

    titles = [path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in records]
    assert listed == [(title, path.name) for title, path in zip(titles, records, strict=True)]
