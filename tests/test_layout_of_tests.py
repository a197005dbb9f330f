"""The tests mirror the layout: the tests of a module are in the folder of its name."""

from collections import defaultdict
from pathlib import Path

from helpers.import_graph import modules

TESTS = Path(__file__).parent
# The tests that have a module's name, but test something else, and what.
TESTS_SOMETHING_ELSE = {
    "hub/engines/postgresql/test_health.py": "what the server says of its health",
    "hub/engines/postgresql/test_statements.py": "the statements of teamsup, as the server runs them",
    "hub/engines/postgresql/test_team.py": "a team on a server",
    "hub/engines/postgresql/test_troubles.py": "troubles of the server",
    "supervisor/test_team.py": "a team under a supervisor",
    "workers/gateway/interactions/test_buttons.py": "people who press buttons, from Discord to the hub",
}
# The folders of tests that belong to no folder of modules, and why.
FOLDERS_OF_THEIR_OWN = {"workers/web/browser": "what a browser does with the pages"}


def homes() -> dict[str, set[str]]:
    """Return the folders of the modules of each name, as in ``{"store": {"hub/engines/sqlite"}}``."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in modules().items():
        if path.name != "__init__.py":
            found[path.stem].add("/".join(name.split(".")[1:-1]))
    return found


def folders() -> set[str]:
    return {"/".join(name.split(".")[1:]) for name, path in modules().items() if path.name == "__init__.py"}


def mirrored_tests() -> list[Path]:
    """Return the tests of the folders that have the name of a package of teamsup, relative to the folder of all."""
    packages = {name.split(".")[1] for name in modules()}
    found = (path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))
    return [path for path in found if path.parts[0] in packages]


def test_a_module_has_its_tests_in_the_folder_of_its_name() -> None:
    places = homes()
    elsewhere = {
        path.as_posix(): sorted(places[name])
        for path in mirrored_tests()
        if (name := path.stem.removeprefix("test_")) in places and path.parent.as_posix() not in places[name]
    }
    assert {path: found for path, found in elsewhere.items() if path not in TESTS_SOMETHING_ELSE} == {}
    assert TESTS_SOMETHING_ELSE.keys() - elsewhere.keys() == set()


def test_a_folder_of_tests_is_one_of_modules() -> None:
    assert {path.parent.as_posix() for path in mirrored_tests()} - folders() == FOLDERS_OF_THEIR_OWN.keys()
