"""What a store has lost is made again, to the same digests; what is asked for anew is new."""

import shutil
from pathlib import Path

import pytest

from mkbuild.errors import StepError
from mkbuild.events import Event, RunStarted, StepFinished, TargetFinished
from tests.support.computer import Computer, write

pytestmark = pytest.mark.root
DOCKERFILE = """FROM busybox AS a
RUN echo a > /a
FROM busybox
COPY --from=a /a /a
COPY --from=busybox /bin/busybox /bb
RUN cat /a > /b
"""
MORE = "COPY --from=busybox /bin/busybox /cc\nCOPY --from=a /a /cd\n"


def blobs(computer: Computer) -> list[Path]:
    return sorted(
        path
        for path in (computer.store / "mkbuild").rglob("*")
        if path.is_file() and "blobs" in path.parts
    )


def snapshots(computer: Computer) -> Path:
    return computer.store / "mkbuild" / "snapshots"


@pytest.mark.parametrize("trees", [True, False], ids=["with trees", "without trees"])
def test_any_one_blob(tmp_path: Path, *, trees: bool) -> None:
    work = write(tmp_path / "work", {"Dockerfile": DOCKERFILE})
    kept = Computer(tmp_path / "kept")
    digest = kept.build(work, ".").digest
    count = len(blobs(kept))
    assert count > 10
    for number in range(0 if trees else 1, count, 2):
        computer = Computer(tmp_path / f"computer{number}")
        shutil.copytree(kept.store, computer.store, symlinks=True)
        blobs(computer)[number].unlink()
        if not trees:
            shutil.rmtree(snapshots(computer))
        write(work, {"Dockerfile": DOCKERFILE + MORE})
        out = tmp_path / f"out{number}"
        computer.build(work, ".", "--output", f"type=local,dest={out}")
        assert (out / "cd").read_text() == "a\n"
        write(work, {"Dockerfile": DOCKERFILE})
        assert computer.build(work, ".").digest == digest
        shutil.rmtree(out)


def test_everything(tmp_path: Path) -> None:
    work = write(tmp_path / "work", {"Dockerfile": DOCKERFILE})
    computer = Computer(tmp_path / "computer")
    digest = computer.build(work, ".").digest
    for blob in blobs(computer):
        blob.unlink()
    shutil.rmtree(snapshots(computer))
    out = tmp_path / "out"
    assert computer.build(work, ".", "--output", f"type=local,dest={out}").digest == digest
    assert (out / "b").read_text() == "a\n"


@pytest.mark.parametrize("other", ["zstd", "size", "none"])
def test_two_compressions_of_one_state_stand_side_by_side(tmp_path: Path, other: str) -> None:
    images = f"one: {{context: .}}\n  two: {{context: ., compression: {other}}}"
    files = {
        "BUILD.yaml": f"version: 1\nimages:\n  {images}\n",
        "Dockerfile": "FROM busybox\nRUN cat /bin/busybox /bin/busybox > /x\n",
    }
    work = write(tmp_path / "work", files)
    computer = Computer(tmp_path / "computer")
    computer.build(work, "one")
    digest = computer.build(work, "two").digest
    both = computer.build(work, "all", "--expect-cached")
    assert both.digests["two"] == digest
    assert both.digests["one"] != digest
    assert Computer(tmp_path / "another").build(work, "two").digest == digest


def test_an_uncommitted_state_is_made_again(tmp_path: Path) -> None:
    files = {
        "BUILD.yaml": "version: 1\nimages: {one: {context: ., commit: explicit}}\n",
        "Dockerfile": "FROM busybox\nRUN echo 1 >/1\nRUN echo 2 >/2\n",
    }
    work = write(tmp_path / "work", files)
    computer = Computer(tmp_path / "computer")
    digest = computer.build(work, "all").digest
    shutil.rmtree(snapshots(computer))
    computer.build(work, "all", "--compression", "zstd")
    assert computer.build(work, "all").digest == digest


def test_without_the_cache_a_cache_mount_begins_empty(tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --mount=type=cache,target=/c echo x >> /c/f\n"
    text += "RUN --mount=type=cache,target=/c echo y >> /c/f && cp /c/f /f\n"
    work = write(tmp_path / "work", {"Dockerfile": text})
    computer = Computer(tmp_path / "computer")
    computer.build(work, ".")
    out = tmp_path / "out"
    computer.build(work, ".", "--no-cache", "--output", f"type=local,dest={out}")
    assert (out / "f").read_text() == "x\ny\n"


@pytest.mark.parametrize("mode", ["namespace", "chroot"])
def test_a_working_directory_that_was_removed_is_made_again(tmp_path: Path, mode: str) -> None:
    text = "FROM busybox\nWORKDIR /a/b\nRUN rm -rf /a/b\nRUN pwd > /out\n"
    work = write(tmp_path / "work", {"Dockerfile": text})
    out = tmp_path / "out"
    computer = Computer(tmp_path / "computer")
    computer.build(work, ".", "--sandbox", mode, "--output", f"type=local,dest={out}")
    assert (out / "out").read_text() == "/a/b\n"
    assert (out / "a/b").is_dir()


@pytest.mark.parametrize("keep_going", [True, False])
def test_many_lost_results_cost_one_more_attempt_and_no_failed_step_is_tried_twice(
    tmp_path: Path, *, keep_going: bool
) -> None:
    names = [f"lib{number}" for number in range(8)]
    images = "".join(f"  {name}: {{context: {name}}}\n" for name in [*names, "app", "broken"])
    files = {"BUILD.yaml": f"version: 1\nimages:\n{images}"}
    for name in names:
        files |= {f"{name}/Dockerfile": "FROM busybox\nCOPY f /f\n", f"{name}/f": name}
    copies = "".join(f"COPY --from={name} /f /{name}\n" for name in names)
    files["app/Dockerfile"] = f"FROM busybox\n{copies}"
    files["broken/Dockerfile"] = "FROM busybox\nRUN exit 3\n"
    work = write(tmp_path / "work", files)
    computer = Computer(tmp_path / "computer")
    computer.build(work, *names)
    for blob in blobs(computer):
        blob.unlink()
    shutil.rmtree(snapshots(computer))
    events: list[Event] = []
    given = ["-j1", *(["-k"] if keep_going else [])]
    if keep_going:
        with pytest.raises(StepError):
            computer.build(work, "all", *given, when=events.append)
    else:
        computer.build(work, "all", "!broken", *given, when=events.append)
    finished = [e for e in events if isinstance(e, StepFinished) and e.status == "ran"]
    again = [e.target for e in finished if e.instruction == "COPY f /f"]
    assert sorted(again) == names
    assert sum(bool(e.error) for e in finished) == int(keep_going)
    assert sum(isinstance(e, RunStarted) for e in events) <= 3
    assert "app" in {e.target for e in events if isinstance(e, TargetFinished)}
