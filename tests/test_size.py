"""The core of the hub stays small enough to be read in an hour. `make size` prints the figures."""

import importlib.util
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
