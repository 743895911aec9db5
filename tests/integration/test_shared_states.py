"""Images that must not come about, and what becomes of a build when part of a cache is gone."""

import os
import tarfile
from pathlib import Path

import pytest

from tests.support.computer import Built, Computer, write

pytestmark = pytest.mark.root

UNSTEADY = """\
FROM busybox AS build
RUN cat /proc/sys/kernel/random/uuid > /made
FROM busybox
COPY --from=build /made /one
COPY --from=build /made /two
RUN cat /made-not 2> /dev/null; cat /one > /three
"""
KEY, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def workspace(tmp_path: Path, dockerfile: str, remote: str = "") -> Path:
    """Make a workspace of one image ``app``; it shares a directory beside it."""
    settings = f"{{type: directory, path: '{tmp_path}/shared'{remote}}}"
    text = f"version: 1\nimages: {{app: {{context: app}}}}\ncache: {{remotes: [{settings}]}}\n"
    return write(tmp_path / "work", {"BUILD.yaml": text, "app/Dockerfile": dockerfile})


def build(tmp_path: Path, name: str, *args: str) -> tuple[Built, dict[str, str]]:
    """Build on a machine of a name; returns also the texts of the image's small files."""
    output = tmp_path / f"{name}.tar"
    given = ("app", "-o", f"type=tar,dest={output}", *args)
    built = Computer(tmp_path / name).build(tmp_path / "work", *given)
    with tarfile.open(output) as tar:
        texts = {
            member.name: stream.read().decode()
            for member in tar
            if "/" not in member.name and (stream := tar.extractfile(member)) is not None
        }
    return built, texts


def consistent(texts: dict[str, str]) -> str:
    (text,) = {texts["one"], texts["two"], texts["three"]}
    return text


def test_a_builder_that_is_never_the_same_is_rebuilt(tmp_path: Path) -> None:
    workspace(tmp_path, UNSTEADY)
    _, first = build(tmp_path, "one")
    _, again = build(tmp_path, "one", "--no-cache-filter", "build")
    assert consistent(first) != consistent(again)
    _, elsewhere = build(tmp_path, "two")
    assert consistent(elsewhere) in {consistent(first), consistent(again)}


@pytest.mark.parametrize("lost", ["layers", "entries of layers", "TOCs", "steps"])
def test_part_of_the_cache_is_gone(tmp_path: Path, lost: str) -> None:
    workspace(tmp_path, UNSTEADY)
    build(tmp_path, "one", "--commit", "explicit")
    shared = tmp_path / "shared"
    pattern = {
        "layers": "cas/*",
        "entries of layers": "ac/layer-*",
        "TOCs": "ac/toc-*",
        "steps": "ac/step-*",
    }
    gone = list(shared.glob(pattern[lost]))
    assert gone
    for path in gone:
        path.unlink()
    built, texts = build(tmp_path, "two", "--commit", "explicit")
    consistent(texts)
    assert built.warnings == ()
    third, others = build(tmp_path, "three", "--commit", "explicit")
    consistent(others)
    assert third.warnings == ()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_entries_and_blobs_full_of_garbage(tmp_path: Path, damage: bytes | None) -> None:
    workspace(tmp_path, UNSTEADY)
    build(tmp_path, "one")
    for path in (tmp_path / "shared").glob("*/*"):
        path.write_bytes(path.read_bytes()[:-5] if damage is None else damage)
    built, texts = build(tmp_path, "two")
    consistent(texts)
    assert len(built.warnings) == 1


def test_one_secret_id_with_two_sources(tmp_path: Path) -> None:
    command = "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s > /made\n"
    images = [f"{n}: {{context: ., secrets: [{{id: s, src: {n}.txt}}]}}" for n in ("a", "b")]
    text = (
        f"version: 1\nimages: {{{', '.join(images)}}}\n"
        f"cache: {{remotes: [{{type: directory, path: '{tmp_path}/shared'}}]}}\n"
    )
    work = write(
        tmp_path / "work",
        {"BUILD.yaml": text, "Dockerfile": command, "a.txt": "of a", "b.txt": "of b"},
    )
    for machine in ("one", "two"):
        for name in ("a", "b"):
            output = tmp_path / f"{machine}-{name}.tar"
            Computer(tmp_path / machine).build(work, name, "-o", f"type=tar,dest={output}")
            with tarfile.open(output) as tar:
                stream = tar.extractfile("made")
                assert stream is not None
                assert stream.read().decode() == f"of {name}"


def test_a_base_whose_label_or_trigger_changes(tmp_path: Path) -> None:
    text = (
        "version: 1\nimages: {base: {context: base}, app: {context: app}}\n"
        f"cache: {{remotes: [{{type: directory, path: '{tmp_path}/shared'}}]}}\n"
    )
    base = "FROM busybox\nRUN echo base > /base\n"
    work = write(
        tmp_path / "work",
        {
            "BUILD.yaml": text,
            "base/Dockerfile": base,
            "app/Dockerfile": "FROM base\nRUN echo app > /app\n",
        },
    )
    first = Computer(tmp_path / "one").build(work, "app")
    for more in ("LABEL a=b\n", "HEALTHCHECK CMD true\n"):
        write(work, {"base/Dockerfile": base + more})
        labelled = Computer(tmp_path / "two").build(work, "app")
        assert labelled.ran() == set()
        assert labelled.digest != first.digest
    write(work, {"base/Dockerfile": base + "ONBUILD RUN echo triggered > /triggered\n"})
    triggered = Computer(tmp_path / "two").build(work, "app")
    assert "RUN echo app > /app" in triggered.ran()
    assert len(triggered.ran()) == 2


def test_a_base_tag_that_moved(tmp_path: Path) -> None:
    write(tmp_path / "made", {"Dockerfile": "FROM busybox\nRUN echo 1 > /1\n"})
    builder = Computer(tmp_path / "builder")
    mirror = tmp_path / "mirror"
    output = ("-t", "base:latest", "-o", f"type=oci,dest={mirror}/library/base,tar=false")
    builder.build(tmp_path / "made", *output, ".")
    workspace(tmp_path, "FROM base\nRUN echo app > /app\n")
    registries = {"docker.io": {"mirrors": [f"oci-layout:{mirror}"]}}
    first = Computer(tmp_path / "one", registries=registries).build(tmp_path / "work", "app")
    again = Computer(tmp_path / "two", registries=registries).build(tmp_path / "work", "app")
    assert again.ran() == set()
    write(tmp_path / "made", {"Dockerfile": "FROM busybox\nRUN echo 2 > /1\n"})
    builder.build(tmp_path / "made", *output, ".")
    moved = Computer(tmp_path / "three", registries=registries).build(tmp_path / "work", "app")
    assert moved.ran() == {"RUN echo app > /app"}
    assert moved.digest != first.digest


def test_deleted_files_do_not_reappear(tmp_path: Path) -> None:
    workspace(tmp_path, "FROM busybox\nRUN echo > /gone\nRUN rm /gone\nRUN [ ! -e /gone ]\n")
    _, first = build(tmp_path, "one")
    built, again = build(tmp_path, "two")
    assert built.ran() == set()
    assert "gone" not in first.keys() | again.keys()


def test_only_what_is_signed_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY)
    workspace(tmp_path, UNSTEADY, ", signing_key_env: KEY")
    build(tmp_path, "one")
    signed, _ = build(tmp_path, "two")
    assert signed.ran() == set()
    assert signed.warnings == ()
    monkeypatch.setenv("KEY", OTHER)
    strange, _ = build(tmp_path, "three", "--no-cache-filter", "nothing")
    assert len(strange.ran()) == 4
    assert len(strange.warnings) == 1
    assert "signature" in strange.warnings[0]


def test_a_pull_request_reads_the_trusted_scope_and_writes_its_own(tmp_path: Path) -> None:
    trusted = ", scope: main"
    workspace(tmp_path, UNSTEADY, trusted)
    build(tmp_path, "main")
    workspace(tmp_path, UNSTEADY + "RUN echo more > /more\n", ", scope: pr-7, read_scopes: [main]")
    request, _ = build(tmp_path, "request")
    assert request.ran() == {"RUN echo more > /more"}
    workspace(tmp_path, UNSTEADY + "RUN echo more > /more\n", trusted)
    after, _ = build(tmp_path, "after")
    assert after.ran() == {"RUN echo more > /more"}, "main reads nothing of the request's"


def test_what_expired_is_built_again(tmp_path: Path) -> None:
    workspace(tmp_path, UNSTEADY, ", ttl: 1h")
    build(tmp_path, "one")
    for path in (tmp_path / "shared").glob("*/*"):
        os.utime(path, (path.stat().st_atime - 7200, path.stat().st_mtime - 7200))
    built, _ = build(tmp_path, "two")
    assert len(built.ran()) == 4
    assert built.warnings == ()
