from mkbuild.filesystem import toc
from mkbuild.filesystem.blacklist import without
from mkbuild.filesystem.diff import Diff, DiffBuilder
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry


def diff() -> Diff:
    builder = DiffBuilder(Index())
    for path in ("cache", "kept", "cached"):
        builder.put(Entry(path, toc.DIRECTORY, 0o755), None)
    file = Entry("cache/a", toc.FILE, 0o644, size=1, content=b"a" * 32)
    builder.put(file, "/source")
    builder.link("kept/b", "cache/a")
    builder.link("kept/c", "cache/a")
    return builder.finish()


def test_a_path_and_what_is_below_it() -> None:
    found = {entry.path for entry in without(diff(), Index(), ["/kept/", "/nothing"]).toc.entries}
    assert found >= {"cache", "cache/a", "cached"}
    assert not any(path.startswith("kept") for path in found)


def test_the_next_name_becomes_the_file() -> None:
    found = without(diff(), Index(), ["/cache"])
    entries = {entry.path: entry for entry in found.toc.entries}
    assert entries["kept/b"].type == toc.FILE
    assert entries["kept/c"].link == "kept/b"
    assert found.sources == {b"a" * 32: "/source"}
    assert "cached" in entries


def test_what_loses_nothing_is_the_same() -> None:
    whole = diff()
    assert without(whole, Index(), ["/elsewhere"]) is whole
