import subprocess
import sys

import pytest

from mkbuild.sandbox import launch


def test_a_function_finds_its_arguments() -> None:
    command = launch.function("mkbuild.sandbox.launch", "interpreter", "one")
    assert command[0] == sys.executable
    assert command[-1] == "one"
    assert subprocess.run(command, check=False).returncode == 0


def test_an_own_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKBUILD_LOADER", "/internal/ld.so")
    monkeypatch.setenv("MKBUILD_LIBRARY_PATH", "/internal/lib")
    expected = ["/internal/ld.so", "--library-path", "/internal/lib", sys.executable]
    assert launch.interpreter() == expected


def test_the_child_imports_no_more_than_it_needs() -> None:
    code = (
        "import sys; sys.path.append(sys.argv[1]); import mkbuild.sandbox.child; "
        "print(*sorted(m for m in sys.modules if m in "
        "('typing', 're', 'dataclasses', 'socket', 'json', 'pathlib', 'subprocess', 'enum')))"
    )
    command = [*launch.interpreter(), "-I", "-S", "-c", code, str(launch.ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
