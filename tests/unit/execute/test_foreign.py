from pathlib import Path

import pytest

from mkbuild.execute.foreign import is_emulated, is_foreign
from mkbuild.oci.model import Platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
# as the kernel shows a handler of Debian's qemu-user-static
HANDLER = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").touch()
    return tmp_path


def test_what_is_foreign() -> None:
    assert is_foreign(ARM64, AMD64)
    assert not is_foreign(AMD64, AMD64)
    assert not is_foreign(Platform("linux", "386"), AMD64)
    assert is_foreign(Platform("windows", "amd64"), AMD64)


@pytest.mark.parametrize(
    ("text", "served"),
    [
        (HANDLER, True),
        (HANDLER.replace("enabled", "disabled"), False),
        (HANDLER.replace("POF", "PO"), False),
        (HANDLER.replace("b700", "f300"), False),
        ("enabled\ninterpreter /usr/bin/wine\nflags: F\nextension .exe\n", False),
    ],
)
def test_a_handler_has_to_be_enabled_fixed_and_of_the_architecture(
    handlers: Path, text: str, *, served: bool
) -> None:
    (handlers / "qemu-aarch64").write_text(text)
    assert is_emulated(ARM64, handlers) is served
    assert not is_emulated(Platform("linux", "s390x"), handlers)


def test_a_list_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert is_emulated(ARM64, tmp_path)
    assert not is_emulated(Platform("windows", "arm64"), tmp_path)
