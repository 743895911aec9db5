"""Bundles: what goes in comes out elsewhere, and nothing else does."""

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.bundle import Bundle
from mkbuild.cache.health import Health
from mkbuild.cache.signing import HmacSigner
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.cache.unbundle import Brought, Member, read_directory, read_tar, unbundle
from mkbuild.errors import ArchiveError
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.tocs import get_toc, put_toc
from tests.support.caches import Result, make_result

SIGNER, OTHER = HmacSigner(b"0123456789abcdef"), HmacSigner(b"fedcba9876543210")
BIG = 5000
"""Entries of a TOC whose parts are blobs of their own."""


def bundle(*results: Result, signer: HmacSigner | None = None) -> Bundle:
    store = MemoryBlobStore()
    found = Bundle(store, signer)
    for result in results:
        store.put(result.content)
        put_toc(store, result.toc)
        found.add_step(result.key, result.step)
        assert found.add_layer(result.pair, result.layer)
        found.add_base(result.layer.diff_id, result.layer.toc)
    return found


def tar_of(*results: Result, signer: HmacSigner | None = None) -> bytes:
    stream = io.BytesIO()
    bundle(*results, signer=signer).write_tar(stream)
    return stream.getvalue()


class Elsewhere:
    """Another machine: its store, and the database of its entries."""

    def __init__(self, directory: Path) -> None:
        self.store = MemoryBlobStore()
        self.known = SqliteKeyValue(directory / "cache.sqlite", warn=pytest.fail)
        self.cache = KeyValueActionCache(self.known, Health("it", pytest.fail))

    def take(self, data: bytes, signer: HmacSigner | None = None) -> Brought:
        return unbundle(read_tar(io.BytesIO(data)), self.known, self.store, signer)

    def has(self, result: Result) -> bool:
        """Whether everything of a result is here, the same in all, or nothing is."""
        step = self.cache.get_steps([result.key]).get(result.key)
        layer = self.cache.get_layers([result.pair]).get(result.pair)
        base = self.cache.get_bases([result.layer.diff_id]).get(result.layer.diff_id)
        if step is None and layer is None and base is None:
            return False
        assert (step, layer, base) == (result.step, result.layer, result.layer.toc)
        assert get_toc(self.store, result.layer.toc, contents=True) == result.toc
        assert self.store.read(result.layer.digest) == result.content
        return True


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Elsewhere]:
    machine = Elsewhere(tmp_path)
    yield machine
    machine.known.close()


@pytest.mark.parametrize("entries", [3, BIG])
@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_tar_brings_everything_and_nothing_the_second_time(
    there: Elsewhere, entries: int, compression: str
) -> None:
    result = make_result("a", entries)
    data = tar_of(result)
    if compression:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as target:
            for name, content in members(data).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                target.addfile(member, io.BytesIO(content))
        data = packed.getvalue()
    brought = there.take(data)
    assert there.has(result)
    assert (brought.entries, brought.known, brought.refused) == (3, 0, 0)
    assert brought.bytes >= len(result.content)
    assert there.take(data) == Brought(0, 3, 0, 0, 0)


def test_equal_bundles_give_equal_bytes() -> None:
    one, two = make_result("a"), make_result("b", BIG)
    assert tar_of(one, two) == tar_of(two, one)


def test_a_directory_is_a_bundle_and_grows(tmp_path: Path, there: Elsewhere) -> None:
    one, two = make_result("a"), make_result("b", BIG)
    place = tmp_path / "cache"
    bundle(one).write_directory(place)
    before = {path: path.stat().st_ino for path in place.rglob("*/*")}
    bundle(one, two).write_directory(place)
    assert {path: path.stat().st_ino for path in before} == before
    (place / "ac" / ".unfinished").write_bytes(b"x")
    brought = unbundle(read_directory(place), there.known, there.store)
    assert (brought.entries, brought.refused) == (6, 0)
    assert there.has(one)
    assert there.has(two)


def test_lossy_results_do_not_leave(there: Elsewhere) -> None:
    result = make_result("a")
    lossy = replace(result, step=replace(result.step, lossy=True))
    there.take(tar_of(lossy))
    assert not there.cache.get_steps([result.key])


def test_lossy_results_do_not_arrive(tmp_path: Path, there: Elsewhere) -> None:
    result = make_result("a")
    lossy = replace(result.step, lossy=True)
    sender = SqliteKeyValue(tmp_path / "sender.sqlite", warn=pytest.fail)
    KeyValueActionCache(sender, Health("it", pytest.fail)).put_step(result.key, lossy)
    name = f"step-{digests.hex_of(digests.parse(result.key))}"
    value = sender.get_many([name])[name]
    sender.close()
    brought = unbundle([Member(f"ac/{name}", iter([value]))], there.known, there.store)
    assert brought.refused == 1
    assert "stays on its machine" in brought.complaint
    assert not there.cache.get_steps([result.key])


def test_signed_entries_count_for_who_has_the_key_alone(there: Elsewhere) -> None:
    result = make_result("a", BIG)
    signed = tar_of(result, signer=SIGNER)
    for data, signer in [
        (signed, None),
        (signed, OTHER),
        (tar_of(result), SIGNER),
    ]:
        brought = there.take(data, signer)
        assert (brought.entries, brought.blobs) == (0, 0)
        assert brought.refused == 4
        assert not there.has(result)
    assert there.take(signed, SIGNER).entries == 3
    assert there.has(result)


def test_what_is_here_stays_unless_it_is_worth_nothing(there: Elsewhere) -> None:
    result = make_result("a")
    there.take(tar_of(result))
    own = replace(result.layer, media_type="application/own")
    there.cache.put_layer(result.pair, own, replace=True)
    assert there.take(tar_of(result)).known == 3
    assert there.cache.get_layers([result.pair]) == {result.pair: own}
    lost = replace(own, digest=digests.of(b"nowhere"))
    there.cache.put_layer(result.pair, lost, replace=True)
    brought = there.take(tar_of(result))
    assert (brought.entries, brought.known) == (1, 2)
    assert there.has(result)


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}


def test_entries_whose_blobs_are_missing_or_wrong_do_not_count(tmp_path: Path) -> None:
    result = make_result("a", BIG)
    files = members(tar_of(result))
    blobs = [name for name in files if name.startswith("cas/")]
    assert len(blobs) == 3
    for number, name in enumerate(blobs):
        for case, data in enumerate((None, b"", files[name] + b"x", files[name][:-1] + b"\xff")):
            place = tmp_path / f"{number}-{case}"
            place.mkdir()
            machine = Elsewhere(place)
            changed = {**files, name: data}
            brought = unbundle(
                [Member(path, iter([data])) for path, data in changed.items() if data is not None],
                machine.known,
                machine.store,
            )
            machine.known.close()
            assert brought.refused
            assert not machine.cache.get_layers([result.pair])
            for digest in machine.store:
                assert digests.of(machine.store.read(digest)) == digest


def test_blobs_that_no_entry_names_are_left_where_they_are(there: Elsewhere) -> None:
    content = b"nobody asked for it"
    path = f"cas/{digests.hex_of(digests.of(content))}"
    assert unbundle([Member(path, iter([content]))], there.known, there.store).blobs == 0
    assert not list(there.store)


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd",
        "/etc/passwd",
        "ac/../../x",
        "cas/nothex",
        "ac/",
        "ac/A",
        "etc",
        "cas/" + "0" * 65,
    ],
)
def test_foreign_names_are_refused_and_nothing_counts(there: Elsewhere, path: str) -> None:
    files = [Member(name, iter([data])) for name, data in members(tar_of(make_result("a"))).items()]
    with pytest.raises(ArchiveError, match="neither an entry nor a blob"):
        unbundle([*files, Member(path, iter([b"x"]))], there.known, there.store)
    assert not there.has(make_result("a"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_tar_holds_files_alone(there: Elsewhere, kind: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("ac/" + "step-" + "0" * 64)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ArchiveError):
        there.take(stream.getvalue())


def test_a_directory_tarred_by_hand_is_a_bundle(tmp_path: Path, there: Elsewhere) -> None:
    result = make_result("a")
    bundle(result).write_directory(tmp_path / "cache")
    with tarfile.open(tmp_path / "cache.tar", "w") as tar:
        tar.add(tmp_path / "cache", ".")
    assert there.take((tmp_path / "cache.tar").read_bytes()).entries == 3
    assert there.has(result)


def test_a_directory_with_links_and_pipes_is_refused(tmp_path: Path, there: Elsewhere) -> None:
    (tmp_path / "cache/ac").mkdir(parents=True)
    path = tmp_path / "cache/ac" / ("step-" + "0" * 64)
    for kind in ("pipe", "link", "directory"):
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "link":
                path.symlink_to("/dev/zero")
            case _:
                path.mkdir()
        with pytest.raises(ArchiveError):
            unbundle(read_directory(tmp_path / "cache"), there.known, there.store)
        path.rmdir() if path.is_dir() else path.unlink()


def test_entries_of_other_scopes_do_not_count(there: Elsewhere) -> None:
    result = make_result("a")
    files = members(tar_of(result))
    scoped = {name.replace("ac/step-", "ac/step-main-"): data for name, data in files.items()}
    brought = unbundle(
        [Member(name, iter([data])) for name, data in scoped.items()], there.known, there.store
    )
    assert (brought.entries, brought.refused) == (2, 1)
    assert "scope" in brought.complaint


WHOLE = tar_of(make_result("a"), make_result("b", BIG))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damaged_tars_bring_no_wrong_thing(tmp_path: Path, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.none(), st.integers(0, len(damaged))))
    machine = Elsewhere(tmp_path)
    machine.store = MemoryBlobStore()
    try:
        machine.take(bytes(damaged[:end]))
    except ArchiveError:
        pass
    finally:
        machine.known.close()
    for digest in machine.store:
        assert digests.of(machine.store.read(digest)) == digest
