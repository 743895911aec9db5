"""Where the instructions of inline Dockerfiles are said to be."""

from pathlib import Path

import pytest

from mkbuild.buildfile.target import GitContext
from mkbuild.engine.dockerfiles import Dockerfiles
from mkbuild.engine.request import WorkspaceInput
from mkbuild.engine.workspace import load_workspace
from mkbuild.errors import DockerfileError

BUILD = """\
version: 1
images:
  first:
    dockerfile_inline: |
      FROM busybox

      COPY a \\
        b
      RUN true
  heir: {inherits: [first]}
  kept: {dockerfile_inline: "FROM a\\nRUN b\\n"}
  folded:
    dockerfile_inline: >
      FROM a

      RUN b
  stripped:
    context: .
    dockerfile_inline: |-
      FROM a
      RUN b
"""


def dockerfiles(directory: Path) -> Dockerfiles:
    def no_checkout(context: GitContext) -> Path:
        raise AssertionError(context)

    return Dockerfiles(directory, no_checkout)


def places(directory: Path, label: str) -> list[str]:
    target = load_workspace(WorkspaceInput(("all",)), directory).targets[label]
    (stage,) = dockerfiles(directory).read(target).stages
    return [str(statement.location) for statement in (stage.start, *stage.statements)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("first", ["BUILD.yaml:5:7", "BUILD.yaml:7:7", "BUILD.yaml:9:7"]),
        ("heir", ["BUILD.yaml:5:7", "BUILD.yaml:7:7", "BUILD.yaml:9:7"]),
        ("kept", ["BUILD.yaml:kept:1:1", "BUILD.yaml:kept:2:1"]),
        ("folded", ["BUILD.yaml:folded:1:1", "BUILD.yaml:folded:2:1"]),
        ("stripped", ["BUILD.yaml:20:7", "BUILD.yaml:21:7"]),
    ],
)
def test_lines_are_those_of_the_build_file(
    tmp_path: Path, label: str, found: list[str], end: str
) -> None:
    (tmp_path / "BUILD.yaml").write_bytes(BUILD.replace("\n", end).encode())
    assert places(tmp_path, label) == found


def test_so_are_those_of_mistakes(tmp_path: Path) -> None:
    (tmp_path / "BUILD.yaml").write_text(
        "version: 1\nimages:\n  a:\n    dockerfile_inline: |\n"
        "      FROM a\n      COPY --form=b c d\n"
    )
    with pytest.raises(DockerfileError) as caught:
        places(tmp_path, "a")
    assert str(caught.value.location) == "BUILD.yaml:6:12"


def test_a_build_file_that_is_another_by_now(tmp_path: Path) -> None:
    (tmp_path / "BUILD.yaml").write_text(BUILD)
    target = load_workspace(WorkspaceInput(("all",)), tmp_path).targets["first"]
    for text in ("version: 1\n", None):
        if text is None:
            (tmp_path / "BUILD.yaml").unlink()
        else:
            (tmp_path / "BUILD.yaml").write_text(text)
        (stage,) = dockerfiles(tmp_path).read(target).stages
        assert str(stage.start.location) == "BUILD.yaml:first:1:1"
