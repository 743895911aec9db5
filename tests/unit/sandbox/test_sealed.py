import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mkbuild.sandbox import sealed


def test_the_copy_runs_and_nobody_can_change_it() -> None:
    program = shutil.which("true")
    assert program is not None
    fd = sealed.copy(program)
    assert fd is not None
    done = subprocess.run(["x"], executable=f"/proc/self/fd/{fd}", pass_fds=[fd], check=False)
    assert done.returncode == 0
    for change in (lambda: os.write(fd, b"x"), lambda: os.truncate(fd, 0)):
        with pytest.raises(PermissionError):
            change()
    assert sealed.copy(program) == fd


def test_not_of_what_looks_for_its_libraries_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "python").write_bytes(b"\x7fELF $ORIGIN/../lib")
    assert sealed.copy(str(tmp_path / "python")) is None
    assert "beside itself ($ORIGIN)" in sealed.obstacle(str(tmp_path / "python"))
    (tmp_path / "python").write_bytes(b"\x7fELF")
    assert sealed.obstacle(str(tmp_path / "python")) == ""
