"""``teamsup docs``: list the pages of this version, or show one."""

import argparse
import sys
from pathlib import Path

from teamsup.config.resources import documentation_folder
from teamsup.hub import Team
from teamsup.hub.errors import CallerError, ExitCode
from teamsup.hub.validation import describe_similar, quote
from teamsup.terminal.formatting import format_table
from teamsup.terminal.json_output import print_json

EXAMPLES = ("teamsup docs monitoring", "teamsup docs --path guides")
_RECORDS = "decisions/"
"""Records of decisions are listed by decisions/README."""


class UnknownPage(CallerError):
    """No page has this name."""

    exit_code = ExitCode.UNKNOWN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="PAGE", nargs="?", help="the page to show (default: list all)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--path", action="store_true", help="print the path of the page, or of the folder with all pages")
    form.add_argument("--json", action="store_true", help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    pages = find_pages(documentation_folder())
    if arguments.page is not None:
        name = arguments.page.removesuffix(".md")
        if name not in pages:
            similar = describe_similar(name, [*pages])
            raise UnknownPage(f"There is no page {quote(arguments.page)}.{similar} List all pages: teamsup docs")
        _show(name, pages[name], arguments)
    elif arguments.path:
        print(documentation_folder())
    else:
        titles = {name: title_of(path) for name, path in pages.items() if is_listed(name)}
        if arguments.json:
            listed = [{"name": name, "title": title, "path": pages[name]} for name, title in titles.items()]
            print_json(Team.named(arguments.team).name, pages=listed)
        else:
            print("\n".join(format_table([("PAGE", "TITLE"), *titles.items()])))
    return ExitCode.DONE


def find_pages(folder: Path) -> dict[str, Path]:
    """Return the files of the pages by their names: those beside the folder, such as README, first."""
    beside = {path.stem: path for path in sorted(folder.parent.glob("*.md"))}
    return beside | {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.md"))}


def is_listed(name: str) -> bool:
    """Whether the list shows a page. It leaves single records of decisions out."""
    return not name.startswith(_RECORDS) or name == f"{_RECORDS}README"


def title_of(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return next((line.removeprefix("# ").strip() for line in file if line.startswith("# ")), "")


def _show(name: str, path: Path, arguments: argparse.Namespace) -> None:
    if arguments.path:
        print(path)
    elif arguments.json:
        print_json(Team.named(arguments.team).name, name=name, path=path, text=path.read_text("utf-8"))
    elif sys.stdout.isatty():
        import pydoc

        pydoc.pager(path.read_text("utf-8"))
    else:
        print(path.read_text("utf-8"), end="")
