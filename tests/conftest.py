"""What all tests share: machine-dependent tests, skipped with a reason; no skip is fine in CI."""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

from tests.support.machine import lacks

# A loaded machine is no failure: how long an example takes says nothing about it. In CI the same
# examples are tried each time.
settings.register_profile(
    "mkbuild",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mkbuild")

# Shells start what runs in the background with SIGINT ignored, which every process below inherits.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the machine cannot do."""
    for marker in item.iter_markers():
        reason = lacks(marker.name)
        if reason:
            pytest.skip(reason)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count skipped tests; expected failures report as skipped too, and are none."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


_skipped: list[str] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail under CI=true where a test was skipped: what never runs shows nothing."""
    sys.setrecursionlimit(100_000)  # pytest removes old directories, very deep ones among them
    if exitstatus == pytest.ExitCode.OK and _skipped and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True, scope="session")
def _private_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep tests out of the user's own store, state, configuration and workflow."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("MKBUILD_", "GITHUB_"))]:
        del os.environ[name]
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[variable] = str(home / variable.lower())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites golden files; look at the difference before you commit it."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))
