"""Revisions: the files that a workspace had."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.buildfile.target import DirectoryContext, LayoutContext, Target, Workspace
from mkbuild.context.digests import FileDigests
from mkbuild.context.scan import scan
from mkbuild.engine.revision import Revision
from mkbuild.filesystem import toc
from mkbuild.location import Location
from tests.support.gitrepo import commit


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    for name, text in {
        "BUILD.yaml": "one",
        "api/Dockerfile": "FROM x",
        "api/code": "1",
        "web/Dockerfile": "FROM y",
        "web/deep/BUILD.yaml": "two",
        "web/.dockerignore": "big\n",
        "web/big/file": "0",
        "web/page": "1",
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    commit(place)
    return place


Make = Callable[[], Revision]


@pytest.fixture
def revision(place: Path, tmp_path: Path) -> Make:
    def make() -> Revision:
        count = len(list(tmp_path.glob("scratch*")))
        scratch = tmp_path / f"scratch{count}"
        scratch.mkdir()
        return Revision(place, "HEAD", lambda: scratch)

    return make


def target(place: Path, name: str) -> Target:
    context = DirectoryContext(str(place / name))
    return Target(name, name, Location("BUILD.yaml"), context, str(place / name / "Dockerfile"))


def look(revision: Revision, directory: str) -> dict[str, str | None]:
    """Return what a context holds: the text of files, None for directories."""
    digests = FileDigests(revision.tree.into.parent / "digests", warn=pytest.fail)
    tree = scan(Path(directory), None, digests, revision.views.get(directory))
    return {
        found.entry.path: Path(tree.source(found)).read_text()
        if found.entry.type == toc.FILE
        else None
        for found in tree.index.walk()
        if found.entry.path
    }


def real(revision: Revision, target: Target) -> Target:
    return revision.workspace(Workspace("/", {target.label: target})).targets[target.label]


def test_build_files_are_read_as_they_were(place: Path, revision: Make) -> None:
    (place / "BUILD.yaml").write_text("changed")
    (place / "web" / "deep" / "BUILD.yaml").unlink()
    (place / "more").mkdir()
    (place / "more" / "BUILD.yaml").write_text("new")
    found = revision()
    assert found.read(str(place / "BUILD.yaml")) == b"one"
    assert found.read(str(place / "web/deep/BUILD.yaml")) == b"two"
    with pytest.raises(FileNotFoundError):
        found.read(str(place / "more/BUILD.yaml"))
    assert found.glob(str(place), "**/BUILD.yaml") == [
        str(place / "BUILD.yaml"),
        str(place / "web/deep/BUILD.yaml"),
    ]
    assert found.glob(str(place / "web"), "*/BUILD.yaml") == [str(place / "web/deep/BUILD.yaml")]
    assert found.exists(str(place / "web/deep"))
    assert not found.exists(str(place / "nowhere"))
    assert found.exists(str(place.parent))


def test_what_did_not_change_is_read_where_it_lies(place: Path, revision: Make) -> None:
    (place / "web" / "page").write_text("2")
    found = revision()
    api = target(place, "api")
    assert real(found, api) == replace(api, pull="never")
    web = real(found, target(place, "web"))
    assert isinstance(web.context, DirectoryContext)
    assert not Path(web.context.path).is_relative_to(place)
    assert web.dockerfile == str(place / "web/Dockerfile")
    seen = look(found, web.context.path)
    assert seen["page"] == "1"
    assert seen == {
        ".dockerignore": "big\n",
        "Dockerfile": "FROM y",
        "big": None,
        "big/file": "0",
        "deep": None,
        "deep/BUILD.yaml": "two",
        "page": "1",
    }
    assert not (Path(web.context.path) / "big").exists(), "it is where it was"


def test_untracked_files_are_a_change(place: Path, revision: Make) -> None:
    (place / "web" / "new" / "deep").mkdir(parents=True)
    (place / "web" / "new" / "deep" / "file").write_text("")
    found = revision()
    web = real(found, target(place, "web"))
    assert isinstance(web.context, DirectoryContext)
    assert "new" not in look(found, web.context.path)
    inner = replace(target(place, "web"), context=DirectoryContext(str(place / "web/new/deep")))
    changed = real(found, inner).context
    assert isinstance(changed, DirectoryContext)
    assert look(found, changed.path) == {}


def test_directories_that_became_something_else(place: Path, revision: Make) -> None:
    (place / "web" / "deep" / "BUILD.yaml").unlink()
    (place / "web" / "deep").rmdir()
    (place / "web" / "deep").symlink_to("big")
    (place / "web" / "page").unlink()
    (place / "web" / "page").mkdir()
    (place / "web" / "page" / "more").write_text("")
    found = revision()
    context = real(found, target(place, "web")).context
    assert isinstance(context, DirectoryContext)
    seen = look(found, context.path)
    assert (seen["deep"], seen["deep/BUILD.yaml"], seen["page"]) == (None, "two", "1")
    assert "page/more" not in seen


def test_a_dockerfile_and_its_ignore_file(place: Path, revision: Make) -> None:
    (place / "web" / "Dockerfile.dockerignore").write_text("*\n")
    web = real(revision(), target(place, "web"))
    assert Path(web.dockerfile).read_text() == "FROM y"
    assert not Path(f"{web.dockerfile}.dockerignore").exists()
    (place / "web" / "Dockerfile").write_text("FROM z")
    assert Path(real(revision(), target(place, "web")).dockerfile).read_text() == "FROM y"


def test_symlinks_lead_where_they_led(place: Path, revision: Make) -> None:
    (place / "web" / "Dockerfile.link").symlink_to("../api/Dockerfile")
    (place / "linked").symlink_to("web")
    commit(place)
    (place / "api" / "Dockerfile").write_text("FROM other")
    (place / "web" / "page").write_text("2")
    found = revision()
    web = replace(
        target(place, "web"),
        context=DirectoryContext(str(place / "linked")),
        dockerfile=str(place / "web/Dockerfile.link"),
    )
    moved = real(found, web)
    assert Path(moved.dockerfile).read_text() == "FROM x"
    assert isinstance(moved.context, DirectoryContext)
    assert (Path(moved.context.path) / "page").read_text() == "1"


def test_named_contexts_and_what_lies_outside(place: Path, tmp_path: Path, revision: Make) -> None:
    (place / "api" / "code").write_text("2")
    outside = DirectoryContext(str(tmp_path / "outside"))
    given = replace(
        target(place, "web"),
        contexts={
            "code": DirectoryContext(str(place / "api")),
            "image": LayoutContext(str(place / "web")),
            "outside": outside,
        },
    )
    found = real(revision(), given)
    code = found.contexts["code"]
    assert isinstance(code, DirectoryContext)
    assert (Path(code.path) / "code").read_text() == "1"
    assert found.contexts["image"] == given.contexts["image"]
    assert found.contexts["outside"] == outside


def test_a_symlink_out_of_the_repository(place: Path, tmp_path: Path, revision: Make) -> None:
    """It leads where it leads now; nothing is made beside the directory for what was written."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("there")
    (place / "relative").symlink_to("../outside")
    (place / "absolute").symlink_to(tmp_path / "outside")
    (place / "nowhere").symlink_to("../made")
    commit(place)
    for name in ("relative", "absolute", "nowhere"):
        (place / name).unlink()
    then = revision()
    for name in ("relative", "absolute"):
        context = real(then, target(place, name)).context
        assert isinstance(context, DirectoryContext)
        assert look(then, context.path) == {"file": "there"}
    real(then, target(place, "nowhere"))
    assert not (tmp_path / "made").exists()


def test_the_lock(place: Path, revision: Make) -> None:
    assert revision().pins(place).lock.urls == {}
    pin = "sha256:" + "1" * 64
    (place / "BUILD.lock").write_text(f"version: 1\nurls: {{'http://x/': '{pin}'}}\n")
    assert revision().pins(place).lock.urls == {}
    commit(place)
    (place / "BUILD.lock").unlink()
    assert revision().pins(place).lock.urls == {"http://x/": pin}


PATHS = st.sampled_from(["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "x/a"])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "run", "link", "remove", "touch"]),
        PATHS,
        st.text("01", max_size=2),
    ),
    max_size=8,
)


def edit(place: Path, kind: str, name: str, text: str) -> None:
    path = place / name
    for parent in reversed(path.parents):
        if parent.is_relative_to(place) and (parent.is_symlink() or parent.is_file()):
            parent.unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif kind == "touch" and path.exists():
        os.utime(path, (1, 1))
        return
    path.unlink(missing_ok=True)
    if kind == "remove":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        path.symlink_to(f"../{text}")
    else:
        path.write_text(text)
        path.chmod(0o755 if kind == "run" else 0o644)


def held(place: Path) -> dict[str, tuple[str, int, str]]:
    """Return what git would hold of a directory."""
    found = {}
    for path in place.rglob("*"):
        name = str(path.relative_to(place))
        if path.is_symlink():
            found[name] = (toc.SYMLINK, 0, os.readlink(path))  # noqa: PTH115 -- pathlib tidies it
        elif path.is_file():
            found[name] = (toc.FILE, path.stat().st_mode & 0o777, path.read_text())
    return found


@settings(max_examples=30)
@given(EDITS, EDITS)
def test_a_view_is_what_was_committed(
    first: list[tuple[str, str, str]], then: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory).resolve() / "top"
        place = top / "context"
        place.mkdir(parents=True)
        (place / "kept").write_text("")
        for kind, name, text in first:
            edit(place, kind, name, text)
        commit(top)
        expected = held(place)
        for kind, name, text in then:
            edit(place, kind, name, text)
        scratch = top.parent / "scratch"
        scratch.mkdir()
        found = Revision(top, "HEAD", lambda: scratch)
        context = real(found, target(top, "context")).context
        assert isinstance(context, DirectoryContext)
        digests = FileDigests(top.parent / "digests", warn=pytest.fail)
        tree = scan(Path(context.path), None, digests, found.views.get(context.path))
        digests.close()
        seen = {}
        for at in tree.index.walk():
            entry = at.entry
            if entry.type == toc.SYMLINK:
                seen[entry.path] = (entry.type, 0, entry.link)
            elif entry.type == toc.FILE:
                seen[entry.path] = (entry.type, entry.mode, Path(tree.source(at)).read_text())
            elif entry.path:
                assert any(name.startswith(f"{entry.path}/") for name in expected)
        assert seen == expected
