"""The core of the hub can be read in an hour, and older features do not grow. `make size` prints the figures."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "size.py"


@pytest.fixture(scope="module")
def size() -> ModuleType:
    spec = importlib.util.spec_from_file_location("size", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_core_of_the_hub_is_within_its_limit(size: ModuleType) -> None:
    assert size.count_files(size.CORE)[0] <= size.MOST_CORE


def test_the_code_of_the_core_is_within_its_limit(size: ModuleType) -> None:
    assert size.count_files(size.READING)[0] <= size.MOST_READING


@pytest.mark.slow
def test_the_older_features_do_not_grow(size: ModuleType) -> None:
    """Name the modules of a new feature in benchmarks/size.py. Record 42 says why the limit is above the aim."""
    assert size.MOST_OLDER - 1000 < size.count_older() <= size.MOST_OLDER


def test_the_pages_name_the_limits(size: ModuleType) -> None:
    limits = {f"{limit:,}" for limit in (size.MOST_OLDER, size.MOST_CORE, size.MOST_READING)}
    (section,) = re.findall(
        r"^## Size\n(.*?)^## ", (PROGRAM.parents[1] / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S
    )
    assert limits <= set(re.findall(r"[\d,]+\d", section))
