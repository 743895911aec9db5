import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("mkbuild.buildfile.target", "pydantic"),
        ("mkbuild.buildfile.target", "yaml"),
        ("mkbuild.buildfile.include", "pydantic"),
        ("mkbuild.graph.targets", "pydantic"),
        ("mkbuild.graph.targets", "networkx"),
        ("mkbuild.graph.select", "networkx"),
        ("mkbuild.graph.query", "networkx"),
    ],
)
def test_light_modules_import_nothing_heavy(module: str, heavy: str) -> None:
    code = f"import sys, {module}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
