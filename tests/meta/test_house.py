"""Rules of the house that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "mkbuild").rglob("*.py"))
HEAVY = {
    "cryptography",
    "distributed",
    "isal",
    "networkx",
    "pydantic",
    "redis",
    "requests",
    "rich",
    "sqlite3",
    "urllib3",
    "yaml",
    "zstandard",
}


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("args", [["--help"], ["build", "--help"], ["version"], ["list", "--help"]])
def test_starting_imports_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from mkbuild.cli.main import main\n"
        f"main({args!r})\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "mkbuild" in loaded
    assert not loaded & HEAVY


def test_modules_are_small() -> None:
    assert MODULES
    assert [path for path in MODULES if len(path.read_text().splitlines()) > 500] == []


def test_exports_are_sorted() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                exported = ast.literal_eval(node.value)
                assert list(exported) == sorted(exported), path


def test_the_schema_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "schemas"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "script", sorted(filter(Path.is_file, (ROOT / "scripts").iterdir())), ids=names
)
def test_scripts_parse(script: Path) -> None:
    text = script.read_text()
    if "bash" in text.partition("\n")[0] or script.suffix == ".sh":
        subprocess.run(["bash", "-n", script], check=True)
    else:
        compile(text, str(script), "exec")
