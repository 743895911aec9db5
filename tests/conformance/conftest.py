"""What the cases share: one computer, so that each base is unpacked once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.case import Bench, Case
from tests.support.computer import Computer


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Where cases are built."""
    return Bench(Computer(tmp_path_factory.mktemp("conformance")))


@pytest.fixture
def check(bench: Bench, tmp_path: Path) -> Callable[[Case], None]:
    """Build a case, and compare."""
    return lambda case: bench.check(case, tmp_path)
