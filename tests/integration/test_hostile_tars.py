"""Hostile tars as base layers and as sources of ADD and COPY --from: nothing outside is touched.

All are built in one invocation, each as an image of its own; what must be refused is.
"""

import json
import tarfile
from pathlib import Path

import pytest

from scripts.bases import write_layout
from tests.support.command import Mkbuild
from tests.support.trees import member, tar

pytestmark = pytest.mark.root

LINK, HARD, DIRECTORY, FILE = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.REGTYPE
Members = list[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]


def node(name: str, kind: bytes = FILE, link: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    made = member(name, kind, mode=mode)
    made.linkname = link
    return made


def vectors(victim: str) -> dict[str, Members]:
    """Return the archives, by name; ``victim`` is a directory that none may reach."""
    evil = b"evil"
    up = "../" * 40 + victim.lstrip("/")
    inside = f"{victim}/f"
    found: dict[str, Members] = {
        "absolute-file": [(node(inside), evil)],
        "absolute-directory": [node(victim, DIRECTORY, mode=0)],
        "parent-file": [(node(f"{up}/f"), evil)],
        "parent-in-the-middle": [(node(f"a/b/{up}/new"), evil)],
        "parent-directory": [node(up, DIRECTORY, mode=0)],
        "link-then-file": [node("l", LINK, victim), (node("l/f"), evil)],
        "relative-link-then-file": [node("l", LINK, up), (node("l/f"), evil)],
        "link-to-root": [node("l", LINK, "/"), (node(f"l{inside}"), evil)],
        "link-chain": [node("a", LINK, "b"), node("b", LINK, victim), (node("a/f"), evil)],
        "link-loop": [node("a", LINK, "b"), node("b", LINK, "a"), (node("a/f"), evil)],
        "link-of-dots": [node("l", LINK, "../.."), (node(f"l/../..{inside}"), evil)],
        "file-over-link": [node("l", LINK, inside), (node("l"), evil)],
        "directory-over-link": [node("l", LINK, victim), node("l", DIRECTORY, mode=0)],
        "hardlink-absolute": [node("h", HARD, inside), (node("h"), evil)],
        "hardlink-parent": [node("h", HARD, f"{up}/f"), (node("h"), evil)],
        "hardlink-through-link": [node("l", LINK, victim), node("h", HARD, "l/f")],
        "hardlink-to-link": [node("l", LINK, inside), node("h", HARD, "l"), (node("h"), evil)],
        "hardlink-to-itself": [node("h", HARD, "h")],
        "hardlink-to-directory": [node("d", DIRECTORY), node("h", HARD, "d")],
        "hardlink-to-nothing": [node("h", HARD, "nowhere")],
        "whiteout-through-link": [node("l", LINK, victim), node("l/.wh.f")],
        "whiteout-parent": [node(f"{up}/.wh.f")],
        "whiteout-absolute": [node(f"{victim}/.wh.f")],
        "opaque-through-link": [node("l", LINK, victim), node("l/.wh..wh..opq")],
        "root-is-a-link": [node("./", LINK, victim), (node("f"), evil)],
        "root-is-a-file": [(node("."), evil)],
        "root-is-a-hardlink": [node(".", HARD, inside)],
        "file-then-below": [(node("a"), evil), (node("a/b"), evil)],
        "directory-then-file": [node("a", DIRECTORY), (node("a/b"), evil), (node("a"), evil)],
        "duplicates": [(node("a"), evil), (node("a"), b"good"), node("a", LINK, inside)],
        "device-over-link": [node("l", LINK, inside), node("l", tarfile.CHRTYPE)],
        "fifo-over-link": [node("l", LINK, inside), node("l", tarfile.FIFOTYPE)],
        "long-path": [(node("d/" * 3000 + "f"), evil)],
        "long-name": [(node("n" * 5000), evil)],
        "long-link": [node("l", LINK, "x" * 70000)],
        "setuid-through-link": [node("l", LINK, victim), node("l/f", FILE, mode=0o6777)],
    }
    return found


BARE_WHITEOUTS: dict[str, Members] = {
    "whiteout-of-nothing": [node(".wh.")],
    "whiteout-of-itself": [node(".wh..")],
    "whiteout-of-its-parent": [node("a/.wh...")],
}
REFUSED = {"root-is-a-link", "root-is-a-file", "root-is-a-hardlink", *BARE_WHITEOUTS}


def test_nothing_outside_is_touched(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "f").write_text("safe")
    before = (victim.stat(), (victim / "f").stat())
    archives = vectors(str(victim))
    assert len(archives) == 36
    images: dict[str, object] = {}
    for name, members in {**archives, **BARE_WHITEOUTS}.items():
        data = tar(*members)
        context = tmp_path / "work" / name
        context.mkdir(parents=True)
        (context / "evil.tar").write_bytes(data)
        (context / "plain").write_text("x")
        write_layout(context / "layout", data, ("latest",), "sh")
        layouts = {"base": f"oci-layout://{context}/layout:latest"}
        images[f"add-{name}"] = {
            "context": name,
            "dockerfile_inline": "FROM scratch\nADD evil.tar /\nCOPY plain /l/plain\n",
        }
        images[f"base-{name}"] = {
            "context": name,
            "contexts": layouts,
            "dockerfile_inline": "FROM base\nWORKDIR /l/made\nCOPY plain /l/f\n",
        }
        images[f"from-{name}"] = {
            "context": name,
            "contexts": layouts,
            "dockerfile_inline": "FROM scratch\nCOPY --from=base / /\nCOPY --from=base /l* /x/\n",
        }
    build = {"version": 1, "images": images}
    (tmp_path / "work" / "BUILD.yaml").write_text(json.dumps(build))
    mkbuild = Mkbuild(tmp_path / "work", tmp_path / "store")
    done = mkbuild.run("build", "--keep-going", *images)
    assert done.returncode in {0, 1}, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert "built" in done.stderr or "failed" in done.stderr
    after = (victim.stat(), (victim / "f").stat())
    for old, new in zip(before, after, strict=True):
        assert (old.st_mode, old.st_uid, old.st_nlink, old.st_mtime_ns) == (
            new.st_mode,
            new.st_uid,
            new.st_nlink,
            new.st_mtime_ns,
        )
    assert [path.name for path in victim.iterdir()] == ["f"]
    assert (victim / "f").read_text() == "safe"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "victim", "work"]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_makes_no_sense_in_a_layer_is_refused(tmp_path: Path, name: str) -> None:
    members = {**vectors(str(tmp_path)), **BARE_WHITEOUTS}[name]
    write_layout(tmp_path / "layout", tar(*members), ("latest",), "sh")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM base\nWORKDIR /made\n")
    mkbuild = Mkbuild(tmp_path, tmp_path / "store")
    context = ("--build-context", f"base=oci-layout://{tmp_path}/layout:latest")
    done = mkbuild.run("build", "./context", *context)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
