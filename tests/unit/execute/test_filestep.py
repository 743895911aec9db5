from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mkbuild.context.digests import FileDigests
from mkbuild.context.scan import scan
from mkbuild.errors import DockerfileError, StepError
from mkbuild.execute.filestep import Inputs, Times, key_part, perform, remote_sources
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index
from mkbuild.location import Location
from mkbuild.plan.actions import AddStep, CopyStep, WorkdirStep
from tests.unit.execute.trees import Tree, directory, file, shown, state

WHERE = Location("Dockerfile", 5)
TREE = Tree(directory("d"), file("d/x", b"x"), file("f", b"f"))
STEP = CopyStep(WHERE, ("f",), "/n")
INPUTS = Inputs(TREE)


def key(**members: Any) -> str:
    return key_part(replace(STEP, **members), INPUTS)


@pytest.mark.parametrize(
    "members",
    [
        {"sources": ("d/x",)},
        {"sources": ("f", "f")},
        {"dest": "/m"},
        {"dest": "/n/"},
        {"workdir": "/w", "dest": "n"},
        {"context": False},
        {"heredocs": (("n", b""),)},
        {"chown": "5"},
        {"chmod": "755"},
        {"link": True},
        {"archive": True},
    ],
)
def test_every_flag_is_in_the_key(members: dict[str, Any]) -> None:
    assert key(**members) != key()


@pytest.mark.parametrize(
    "members",
    [
        {"location": Location("other", 1)},
        {"sources": ("./f",)},
        {"sources": ("[f]",)},
        {"sources": ("f", "x*")},
        {"dest": "/x/../n"},
        {"workdir": "/", "dest": "n"},
    ],
)
def test_what_changes_nothing_is_not(members: dict[str, Any]) -> None:
    assert key(**members) == key()


def performed(**members: Any) -> Any:
    return perform(replace(STEP, **members), Index(), INPUTS, Times(1), Path("/nonexistent"))


def test_heredocs_are_in_the_key() -> None:
    keys = {key(heredocs=(("n", text),)) for text in (b"", b"1", b"2")}
    assert len(keys) == 3


def test_copy_and_add_of_the_same_file_are_two_things() -> None:
    assert key_part(AddStep(WHERE, ("f",), "/n"), INPUTS) != key()
    assert key_part(AddStep(WHERE, ("f",), "/n", unpack=False), INPUTS) == key()


def test_workdirs() -> None:
    keys = [
        key_part(WorkdirStep(WHERE, path, user), Inputs())
        for path, user in (("/a", ""), ("/b", ""), ("/a", "x"), ("/b/../a/", ""))
    ]
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


def test_golden_keys() -> None:
    """A change here throws everybody's cache away: the schema version must change with it."""
    assert (key(), key(sources=("d",), chown="5", context=False)) == (
        "sha256:1d442dcc996a75f9abb32f3aa9a3083562e569ff9cfadfdc13537462d1e38788",
        "sha256:3194d10e742fce8d18a24569bbbef9f082d72e311812dfee65b42dd32a93389b",
    )


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"sources": ("missing",)}, StepError, "'missing' not found in the build context"),
        ({"sources": ("http://h/x",)}, StepError, "COPY cannot fetch"),
        ({"sources": ("git@h:r",)}, StepError, "COPY cannot fetch"),
    ],
)
def test_errors_of_keys_say_where(
    members: dict[str, Any], error: type[StepError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        key(**members)
    assert caught.value.location == WHERE


@pytest.mark.parametrize("sources", [("f",), ("http://h/x", "f"), ("http://h/x", "http://h/y")])
def test_a_checksum_is_for_one_remote_source(sources: tuple[str, ...]) -> None:
    step = AddStep(WHERE, sources, "/n/", checksum="sha256:" + "0" * 64)
    with pytest.raises(StepError, match="--checksum needs exactly one source"):
        key_part(step, INPUTS)


def test_a_bad_mode_says_where() -> None:
    with pytest.raises(DockerfileError, match="64a") as caught:
        performed(chmod="64a")
    assert caught.value.location == WHERE


def test_what_dockerignore_leaves_out_is_explained() -> None:
    with pytest.raises(StepError) as caught:
        key_part(replace(STEP, sources=("x",)), replace(INPUTS, ignored=lambda path: path == "x"))
    assert caught.value.hint == "x is excluded by .dockerignore"


def test_remote_sources_are_named_once() -> None:
    sources = ("http://h/x", "f", "https://h/r.git", "http://h/x", "git@h:r", "github.com/o/r")
    step = AddStep(WHERE, sources, "/n/")
    assert remote_sources(step) == ("http://h/x", "https://h/r.git", "git@h:r")
    assert remote_sources(STEP) == ()


def test_a_base_without_contents_is_asked() -> None:
    """What a diff leaves out must not depend on whether the contents below are at hand."""
    with_contents = state(file("n", b"f"))
    without = state(file("n", b"f")._replace(content=None))

    class Parent(Tree):
        def digests(self, files: Any) -> list[bytes]:
            return [with_contents.get(found.entry.path).entry.content for found in files]  # type: ignore[union-attr, misc]

    step = replace(STEP, context=False)
    given = replace(INPUTS, parent=Parent())
    for base in (with_contents, without):
        assert shown(perform(step, base, given, Times(1), Path("/nonexistent"))) == []


def test_archive_keeps_what_the_context_transfer_drops(tmp_path: Path) -> None:
    (tmp_path / "context" / "d").mkdir(parents=True)
    (tmp_path / "context" / "d").chmod(0o750)
    (tmp_path / "context" / "d" / "x").write_text("x")
    digests = FileDigests(tmp_path / "digests", warn=lambda _: None)
    tree = scan(tmp_path / "context", None, digests)
    owner = (tmp_path / "context").stat()
    step = CopyStep(WHERE, ("d",), "/n", archive=True)
    diff = perform(step, Index(), Inputs(tree), Times(1), tmp_path)
    ids = f"{owner.st_uid}:{owner.st_gid}"
    assert shown(diff) == [f"d 750 {ids} n", f"f 644 {ids} n/x"]
    digests.close()


def test_what_was_hashed_is_what_is_copied(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "x").write_text("before")
    digests = FileDigests(tmp_path / "digests", warn=lambda _: None)
    tree = scan(tmp_path / "context", None, digests)
    step, given = CopyStep(WHERE, ("x",), "/n"), Inputs(tree)
    key_part(step, given)
    (tmp_path / "context" / "x").write_text("after!")
    diff = perform(step, Index(), given, Times(1), tmp_path)
    assert list(diff.sources.values()) == [b"before"]
    digests.close()


def test_a_step_takes_what_its_key_selected() -> None:
    tree = Tree(directory("d"), file("d/x", b"x"), file("d/y", b"y"))
    inputs = Inputs(tree)
    every = replace(STEP, sources=("d",), dest="/dest")
    some = replace(every, exclude=("y",))
    assert key_part(every, inputs) != key_part(some, inputs)
    kept = dict(inputs.selections)
    assert len(kept) == 2
    for step, names in ((every, {"d/x", "d/y"}), (some, {"d/x"})):
        diff = perform(step, Index(), inputs, Times(created=1), Path("/nonexistent"))
        found = {entry.path for entry in diff.toc.entries if entry.type == toc.FILE}
        assert found == {f"dest/{name[2:]}" for name in names}
    assert inputs.selections.keys() == kept.keys()
    assert all(inputs.selections[wanted] is selection for wanted, selection in kept.items())
