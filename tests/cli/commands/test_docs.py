"""``teamsup docs`` lists the pages of this version, and shows one."""

import json

import pytest

from helpers.prose import PAGES
from helpers.source_tree import ROOT
from teamsup.cli.command_line import main
from teamsup.cli.commands.docs import find_pages, is_listed
from teamsup.hub.errors import ExitCode


def test_every_page_for_people_can_be_shown() -> None:
    pages = find_pages(ROOT / "docs")

    assert {*pages.values()} == {path for path in PAGES if path.parent == ROOT or (ROOT / "docs") in path.parents}
    assert {"README", "SECURITY", "guides", "decisions/README"} <= {name for name in pages if is_listed(name)}
    assert not [name for name in pages if is_listed(name) and "/0" in name]


def test_the_list_has_each_page_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == ExitCode.DONE
    assert "guides" in (shown := capsys.readouterr().out)
    assert "How-to guides" in shown
    assert main(["docs", "--json"]) == ExitCode.DONE
    assert {"name": "guides", "title": "How-to guides", "path": str(ROOT / "docs" / "guides.md")} in json.loads(
        capsys.readouterr().out
    )["pages"]


def test_a_page_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "guides.md").read_text("utf-8")

    assert main(["docs", "guides.md"]) == ExitCode.DONE
    assert capsys.readouterr().out == text
    assert main(["docs", "guides", "--path"]) == ExitCode.DONE
    assert capsys.readouterr().out == f"{ROOT / 'docs' / 'guides.md'}\n"
    assert main(["docs", "guides", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["text"] == text


def test_a_mistyped_page_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "monitorin"]) == ExitCode.UNKNOWN
    assert "There is no page 'monitorin'. Did you mean 'monitoring'?" in capsys.readouterr().err
