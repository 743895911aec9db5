"""doctor's table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.cli.doctor import _lines
from mkbuild.cli.main import main
from mkbuild.engine.checks import Check


def test_lines() -> None:
    checks = [Check("a", works=True, detail="fine"), Check("longer", False, "bad", "mend it")]
    assert _lines(checks) == [
        "ok  a       fine",
        "no  longer  bad",
        "            fix: mend it",
    ]


def test_long_details_go_on_below_themselves() -> None:
    lines = _lines([Check("name", False, "word " * 40, "mend " * 30)])
    assert len(lines) > 4
    assert all(len(line) < 80 for line in lines)
    assert {line[:10] for line in lines[1:]} == {" " * 10}


def test_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--storage", str(tmp_path / "store")]) in (0, 3)
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["store"]["detail"] == str(tmp_path / "store")
    assert checks["kernel"]["works"]
    assert {"disk", "git", "namespace sandbox", "limits of a RUN"} <= checks.keys()
    modifyfs = checks["modifyfs sandbox"]
    assert not modifyfs["works"]
    assert "mkbuild-static" in modifyfs["fix"]
    assert modifyfs["keeps_from"] == "nothing: the container around it is the boundary"


def test_an_interpreter_that_has_no_sealed_copy(tmp_path: Path) -> None:
    """A real one with ``$ORIGIN`` at its end, which it does not mind."""
    python = tmp_path / "python"
    python.write_bytes(Path(sys.executable).read_bytes() + b"$ORIGIN/../lib")
    python.chmod(0o755)
    environment = {"PYTHONHOME": sys.base_prefix, "PYTHONPATH": os.pathsep.join(sys.path[1:])}
    done = subprocess.run(
        [python, "-m", "mkbuild", "doctor", "--json", "--storage", tmp_path / "store"],
        env={**os.environ, **environment},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode in (0, 3)
    check = next(c for c in json.loads(done.stdout) if c["name"] == "sealed interpreter")
    assert not check["works"]
    assert f"{python} looks for its libraries beside itself ($ORIGIN)" in check["detail"]
    assert f"change the mode and owner of {python}" in check["detail"]
    assert "distribution's own python3" in check["fix"]
