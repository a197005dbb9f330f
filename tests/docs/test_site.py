"""The documentation as a site: its index leads to every page. `make site` builds it, and refuses a warning."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_index_leads_to_every_page_once() -> None:
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    named = [line.partition("<")[2].rstrip(">") or line for line in lines]
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert sorted(each for each in named if "/" not in each) == sorted(pages)
    assert {each for each in named if "/" in each} == {
        "../README",
        "../CONTRIBUTING",
        "../CHANGELOG",
        "../SECURITY",
        "decisions/README",
        *(f"tutorial/{page.stem}" for page in DOCS.glob("tutorial/*.md")),
    }
