"""COPY: what is chosen, where it goes, and what becomes of modes and owners."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.case import Case, Content, directory, link

pytestmark = pytest.mark.root

DIR = "d 755 0:0"


def f(content: str = "", mode: int = 0o644, owner: str = "0:0") -> str:
    """Render a file."""
    return f"f {mode:o} {owner} {content}".removesuffix(" ")


def hardlink(other: str) -> Callable[[Path], None]:
    return lambda path: os.link(path.parent / other, path)


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o640)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(here)
    path.chmod(0o600)


TREE: dict[str, Content] = {
    "t/a": "A",
    "t/s/b": "B",
    "t/s/c.txt": "C",
    "t/l": link("a"),
    "x": (0o755, "X"),
}

CASES = {
    # where to
    "a file to a new name": Case("FROM scratch\nCOPY x /y\n", TREE, tree={"y": f("X", 0o755)}),
    "a file into a directory that a slash makes": Case(
        "FROM scratch\nCOPY x /d/e/\n", TREE, tree={"d": DIR, "d/e": DIR, "d/e/x": f("X", 0o755)}
    ),
    "a file into one that exists": Case(
        "FROM scratch\nCOPY x /d/\nCOPY t/a /d\n", TREE,
        tree={"d": DIR, "d/a": f("A"), "d/x": f("X", 0o755)},
    ),
    "a directory's contents": Case(
        "FROM scratch\nCOPY t /d\n", TREE,
        tree={
            "d": DIR, "d/a": f("A"), "d/l": "l a", "d/s": DIR, "d/s/b": f("B"), "d/s/c.txt": f("C"),
        },
    ),
    "a directory into one that exists": Case(
        "FROM scratch\nCOPY x /d/\nCOPY t/s /d\n", TREE,
        tree={"d": DIR, "d/b": f("B"), "d/c.txt": f("C"), "d/x": f("X", 0o755)},
    ),
    "the whole context to the root": Case(
        "FROM scratch\nCOPY . /\n", {"q": "Q", ".dockerignore": "Dockerfile\n.dockerignore\n"},
        tree={"q": f("Q")},
    ),
    "a dot and the working directory": Case(
        "FROM scratch\nWORKDIR /w\nCOPY x .\nCOPY x ./e/\nCOPY x ../f\nCOPY x g/../h\n", TREE,
        tree={
            "f": f("X", 0o755), "w": DIR, "w/e": DIR, "w/e/x": f("X", 0o755), "w/h": f("X", 0o755),
            "w/x": f("X", 0o755),
        },
    ),
    "a slash and a dot": Case(
        "FROM scratch\nCOPY x /a/.\nCOPY x /b/./c\n", TREE,
        tree={"a": DIR, "a/x": f("X", 0o755), "b": DIR, "b/c": f("X", 0o755)},
    ),
    "sources cannot leave the context": Case(
        "FROM scratch\nCOPY ../../x /a\nCOPY /x /b\nCOPY t/../x /c\n", TREE,
        tree={name: f("X", 0o755) for name in "abc"},
    ),
    "several sources without a slash: the last one stays": Case(
        "FROM scratch\nCOPY x t/a /n\n", TREE, tree={"n": f("A")}
    ),
    "several sources into a directory": Case(
        "FROM scratch\nCOPY x t/a t/s /n/\n", TREE,
        tree={"n": DIR, "n/a": f("A"), "n/b": f("B"), "n/c.txt": f("C"), "n/x": f("X", 0o755)},
    ),
    "JSON form, and blanks in names": Case(
        'FROM scratch\nCOPY ["a b", "c  d/"]\nCOPY "a*" /e\n', {"a b": "1"},
        tree={"c  d": DIR, "c  d/a b": f("1"), "e": f("1")},
    ),
    "a variable in source, destination, owner and mode": Case(
        "FROM scratch\nARG S=x D=/y O=1:2 M=0600\nCOPY --chown=$O --chmod=$M $S $D\n", TREE,
        tree={"y": f("X", 0o600, "1:2")},
    ),
    "an empty source means the context": Case(
        "FROM scratch\nARG S\nCOPY $S /c/\n", {"q": "", ".dockerignore": "Dockerfile\n.d*\n"},
        tree={"c": DIR, "c/q": f()},
    ),
    # wildcards
    "wildcards": Case(
        "FROM scratch\nCOPY a?.txt [b-c]* *.md /d/\n",
        {"a1.txt": "1", "a22.txt": "2", "b": "b", "c9": "c", "d": "d", "e.md": "e"},
        tree={"d": DIR, "d/a1.txt": f("1"), "d/b": f("b"), "d/c9": f("c"), "d/e.md": f("e")},
    ),
    "a wildcard of directories merges their contents": Case(
        "FROM scratch\nCOPY d* /o/\n", {"d1/a": "1", "d2/b": "2", "d2/a": "3"},
        tree={"o": DIR, "o/a": f("3"), "o/b": f("2")},
    ),
    "a wildcard in the middle": Case(
        "FROM scratch\nCOPY d*/a /o/\n", {"d1/a": "1", "d2/b": "2", "dl": link("d1")},
        tree={"o": DIR, "o/a": f("1")},
    ),
    "two stars are one": Case(
        "FROM scratch\nCOPY **/a /o/\n", {"a": "0", "d/a": "1", "d/e/a": "2"},
        tree={"o": DIR, "o/a": f("1")},
    ),
    "a wildcard that matches nothing": Case("FROM scratch\nCOPY n* /o/\n", tree={}),
    "one that is malformed": Case("FROM scratch\nCOPY [a, /o/\n", {"a": ""}, fails="malformed"),
    "escaped wildcards": Case(
        "FROM scratch\nCOPY a[*]b c[[]d \\e /o/\n", {"a*b": "1", "axb": "2", "c[d": "3", "e": "4"},
        tree={"o": DIR, "o/a*b": f("1"), "o/c[d": f("3"), "o/e": f("4")},
    ),
    "hidden files match": Case(
        "FROM scratch\nCOPY d/* /o/\n", {"d/.h": "", "d/v": ""},
        tree={"o": DIR, "o/.h": f(), "o/v": f()},
    ),
    "a missing source": Case("FROM scratch\nCOPY nothing /o/\n", fails="not found"),
    "a missing one beside one that is there": Case(
        "FROM scratch\nCOPY x nothing /o/\n", TREE, fails="not found"
    ),
    # symlinks
    "a symlink as source is followed": Case(
        "FROM scratch\nCOPY t/l /o\nCOPY s /d/\n", {**TREE, "s": link("t/s")},
        tree={"d": DIR, "d/b": f("B"), "d/c.txt": f("C"), "o": f("A")},
    ),
    "its own name is kept": Case("FROM scratch\nCOPY t/l /o/\n", TREE, tree={"o": DIR, "o/l": f("A")}),
    "inside a directory it stays": Case(
        "FROM scratch\nCOPY t/ /o/\n", {"t/up": link("../../../x"), "t/abs": link("/etc/passwd")},
        tree={"o": DIR, "o/abs": "l /etc/passwd", "o/up": "l ../../../x"},
    ),
    "an absolute one is inside the context": Case(
        "FROM scratch\nCOPY l /o\n", {**TREE, "l": link("/t/a")}, tree={"o": f("A")}
    ),
    "one that leads nowhere": Case(
        "FROM scratch\nCOPY l /o\n", {"l": link("nothing")}, fails="not found"
    ),
    "a destination through a symlink": Case(
        "FROM scratch\nCOPY k /t/\nCOPY d /\nCOPY x /m/n/\nCOPY x /m\n",
        {"k": "", "d/m": link("t"), "x": "X"},
        tree={"m": "l t", "t": DIR, "t/k": f(), "t/n": DIR, "t/n/x": f("X"), "t/x": f("X")},
    ),
    "a file to a symlink to a file goes to that file": Case(
        "FROM scratch\nCOPY k /t/\nCOPY d /\nCOPY x /m\n", {"k": "", "d/m": link("t/k"), "x": "X"},
        tree={"m": "l t/k", "t": DIR, "t/k": f("X")},
    ),
    "a file to a dangling one makes what it means": Case(
        "FROM scratch\nCOPY d /\nCOPY x /m\nCOPY x /n/y\n",
        {"d/m": link("new/er"), "d/n": link("/fresh"), "x": "X"},
        tree={
            "fresh": DIR, "fresh/y": f("X"), "m": "l new/er", "n": "l /fresh", "new": DIR,
            "new/er": f("X"),
        },
    ),
    "inside a tree a symlink is replaced by a file": Case(
        "FROM scratch\nCOPY one /\nCOPY two /\n", {"one/d/m": link("k"), "one/d/k": "K", "two/d/m": "M"},
        tree={"d": DIR, "d/k": f("K"), "d/m": f("M")},
    ),
    "a directory does not replace a symlink": Case(
        "FROM scratch\nCOPY one /\nCOPY two /\n", {"one/m": link("k"), "one/k/f": "", "two/m/g": ""},
        fails="not a directory",
    ),
    "a directory does not replace a file": Case(
        "FROM scratch\nCOPY one /\nCOPY two /\n", {"one/m": "", "two/m/g": ""}, fails="not a directory"
    ),
    "a file does not replace a directory": Case(
        "FROM scratch\nCOPY one /\nCOPY two /\n", {"one/m/g": "", "two/m": ""}, fails="director"
    ),
    "a directory over a file that is named": Case(
        "FROM scratch\nCOPY x /o\nCOPY t /o\n", TREE, fails="not a directory"
    ),
    "a file below a file": Case(
        "FROM scratch\nCOPY x /o\nCOPY x /o/p\n", TREE, fails="not a directory"
    ),
    # modes and owners
    "modes of context files, and no owners": Case(
        "FROM scratch\nCOPY d /\n",
        {
            "d/a": (0o4755, ""), "d/b": (0o2711, ""), "d/c": (0o1600, ""), "d/e": (0, ""),
            "d/s": directory(0o1777), "d/t": directory(0o2750),
        },
        tree={
            "a": f("", 0o4755), "b": f("", 0o2711), "c": f("", 0o1600), "e": f("", 0),
            "s": "d 1777 0:0", "t": "d 2750 0:0",
        },
    ),
    "a directory that is made is not like its source, its children are": Case(
        "FROM scratch\nCOPY d /n\n", {"d": directory(0o700), "d/e": directory(0o711)},
        tree={"n": DIR, "n/e": "d 711 0:0"},
    ),
    "one that exists inside a tree takes the source's mode": Case(
        "FROM scratch\nCOPY one /\nCOPY two /\n",
        {"one/d": directory(0o700), "two/d": directory(0o711)}, tree={"d": "d 711 0:0"},
    ),
    "chown by number": Case(
        "FROM scratch\nCOPY --chown=7 x /a\nCOPY --chown=7:8 x /b\nCOPY --chown=0 x /c\n", TREE,
        tree={"a": f("X", 0o755, "7:7"), "b": f("X", 0o755, "7:8"), "c": f("X", 0o755)},
    ),
    "chown by name": Case(
        "FROM busybox\nRUN echo u:x:40:41::/:/bin/sh >> /etc/passwd; echo g:x:42: >> /etc/group\n"
        "COPY --chown=u x /a\nCOPY --chown=u:g x /b\nCOPY --chown=5:g x /c\nCOPY --chown=u:6 x /d\n"
        "COPY --chown=nobody x /e\n",
        TREE,
        tree={
            "etc/passwd": f(
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
                "u:x:40:41::/:/bin/sh\n"
            ),
            "etc/group": f("root:x:0:\nnogroup:x:65534:\ng:x:42:\n"),
            "a": f("X", 0o755, "40:41"), "b": f("X", 0o755, "40:42"), "c": f("X", 0o755, "5:42"),
            "d": f("X", 0o755, "40:6"), "e": f("X", 0o755, "65534:65534"),
        },
    ),
    "chown by a name that is unknown": Case(
        "FROM busybox\nCOPY --chown=who:what x /a\n", TREE, tree={"a": f("X", 0o755)}
    ),
    "chown reaches the directories above": Case(
        "FROM scratch\nCOPY --chown=3:4 --chmod=750 x /p/q/r\n", TREE,
        tree={"p": "d 750 3:4", "p/q": "d 750 3:4", "p/q/r": f("X", 0o750, "3:4")},
    ),
    "chmod in octal, of a tree": Case(
        "FROM scratch\nCOPY --chmod=4711 t /o\n", {"t/d/a": "A", "t/l": link("d")},
        tree={"o": "d 711 0:0", "o/d": "d 4711 0:0", "o/d/a": f("A", 0o4711), "o/l": "l d"},
    ),
    "chmod in letters": Case(
        "FROM scratch\nCOPY --chmod=u=rwX,go=rX d /o\nCOPY --chmod=go-r,a+x d/a /a\n"
        "COPY --chmod=g=u d/a /b\n",
        {"d/a": (0o644, ""), "d/e": (0o700, ""), "d/s": directory(0o700)},
        tree={
            "a": f("", 0o711), "b": f("", 0o664), "o": DIR, "o/a": f("", 0o644),
            "o/e": f("", 0o755), "o/s": DIR,
        },
    ),
    "a chmod that is none": Case("FROM scratch\nCOPY --chmod=u+q x /a\n", TREE, fails="q"),
    "a number that is no mode": Case("FROM scratch\nCOPY --chmod=17777 x /a\n", TREE, fails="07777"),
    "USER does not own what is copied": Case(
        "FROM busybox\nUSER 5:6\nCOPY x /d/a\n", TREE, tree={"d": DIR, "d/a": f("X", 0o755)}
    ),
    # what is copied
    "hard links in the context": Case(
        "FROM scratch\nCOPY d /o/\nCOPY d/a d/b /p/\n", {"d/a": "1", "d/b": hardlink("a")},
        tree={"o": DIR, "o/a": f("1"), "o/b": "= o/a", "p": DIR, "p/a": f("1"), "p/b": f("1")},
    ),
    "a fifo and a socket": Case(
        "FROM scratch\nCOPY d /\n", {"d/p": fifo, "d/s": unix_socket},
        tree={"p": "p 640 0:0", "s": f("", 0o600)},
    ),
    "strange names": Case(
        "FROM scratch\nCOPY d /\n",
        {f"d/{name}": name for name in ("a\nb", "c'd", 'e"f', "g\\h", "ü", "-i", "%6a", "k" * 255)},
        tree={
            name: f(name) for name in ("a\nb", "c'd", 'e"f', "g\\h", "ü", "-i", "%6a", "k" * 255)
        },
    ),
    "a name that is not UTF-8": Case(
        "FROM scratch\nCOPY d /\n", {"d/a\udcff": "1"}, tree={"a\udcff": f("1")}
    ),
    "a deep path": Case(
        "FROM scratch\nCOPY d /\n", {"d/" + "n" * 100 + "/" + "m" * 120 + "/x": "1"},
        tree={"n" * 100: DIR, "n" * 100 + "/" + "m" * 120: DIR,
              "n" * 100 + "/" + "m" * 120 + "/x": f("1")},
    ),
    "an empty directory": Case(
        "FROM scratch\nCOPY d /o\n", {"d": directory(0o700)}, tree={"o": DIR}
    ),
    # --from
    "from a stage, by name and number, whatever its case": Case(
        "FROM scratch AS One\nCOPY x /a\nFROM scratch\nCOPY --from=ONE /a /b\nCOPY --from=0 a /c\n",
        TREE, tree={"b": f("X", 0o755), "c": f("X", 0o755)},
    ),
    "from a stage owners and modes stay": Case(
        "FROM scratch AS a\nCOPY --chown=3:4 --chmod=4710 x /d/f\nFROM scratch\nCOPY --from=a / /o/\n",
        TREE, tree={"o": DIR, "o/d": "d 710 3:4", "o/d/f": f("X", 0o4710, "3:4")},
    ),
    "from an image": Case(
        "FROM scratch\nCOPY --from=busybox /etc/group /g\nCOPY --from=docker.io/library/busybox:latest "
        "/etc/group /h\n",
        tree={"g": f("root:x:0:\nnogroup:x:65534:\n"), "h": f("root:x:0:\nnogroup:x:65534:\n")},
    ),
    "hard links of a stage": Case(
        "FROM busybox AS a\nRUN mkdir /d; echo 1 > /d/a; ln /d/a /d/b; ln -s a /d/l\n"
        "FROM scratch\nCOPY --from=a /d /\n",
        tree={"a": f("1\n"), "b": "= a", "l": "l a"},
    ),
    "from a later stage": Case(
        "FROM scratch\nCOPY --from=b /a /b\nFROM scratch AS b\nCOPY x /a\n", TREE,
        flags=["--target", "0"], fails="needs to be defined before",
    ),
    "from itself": Case("FROM scratch AS a\nCOPY --from=a /a /b\n", fails="circular|before"),
    "from a number that is none": Case("FROM scratch\nCOPY --from=4 /a /b\n", fails="invalid stage index"),
    "from takes no variables": Case(
        "FROM busybox AS a\nARG S=a\nFROM busybox\nARG S=a\nCOPY --from=$S /a /b\n",
        fails="not supported for --from",
    ),
    # --parents
    "parents": Case(
        "FROM scratch\nCOPY --parents t/s/b x /o/\n", TREE,
        tree={"o": DIR, "o/t": DIR, "o/t/s": DIR, "o/t/s/b": f("B"), "o/x": f("X", 0o755)},
    ),
    "parents with wildcards at any depth": Case(
        "FROM scratch\nCOPY --parents **/*.txt /o/\n", {"a.txt": "", "d/e/b.txt": "", "d/c": ""},
        tree={"o": DIR, "o/a.txt": f(), "o/d": DIR, "o/d/e": DIR, "o/d/e/b.txt": f()},
    ),
    "parents from a pivot": Case(
        "FROM scratch\nCOPY --parents t/./s/*.txt /o\n", TREE,
        tree={"o": DIR, "o/s": DIR, "o/s/c.txt": f("C")},
    ),
    "parents keep modes": Case(
        "FROM scratch\nCOPY --parents p/q/f /\n", {"p/q/f": "", "p/z": ""},
        tree={"p": DIR, "p/q": DIR, "p/q/f": f()},
    ),
    "parents of what is missing": Case("FROM scratch\nCOPY --parents no/f /\n", fails="not found"),
    "parents of nothing that matches": Case("FROM scratch\nCOPY --parents no/* /\n", tree={}),
    # --exclude
    "exclude": Case(
        "FROM scratch\nCOPY --exclude=*.txt --exclude=s/b t /o\n", TREE,
        tree={"o": DIR, "o/a": f("A"), "o/l": "l a", "o/s": DIR, "o/s/c.txt": f("C")},
    ),
    "exclude at any depth, with an exception": Case(
        "FROM scratch\nCOPY --exclude=**/*.txt --exclude=!k/keep.txt d /o\n",
        {"d/a.txt": "", "d/k/keep.txt": "", "d/k/b.txt": "", "d/m": ""},
        tree={"o": DIR, "o/k": DIR, "o/k/keep.txt": f(), "o/m": f()},
    ),
    "exclude says nothing of a file that is named": Case(
        "FROM scratch\nCOPY --exclude=x x /o\n", TREE, tree={"o": f("X", 0o755)}
    ),
    "exclude is not expanded": Case(
        "FROM scratch\nARG E=a\nCOPY --exclude=$E d /o\n", {"d/a": "", "d/b": ""},
        tree={"o": DIR, "o/a": f(), "o/b": f()},
    ),
    # --link
    "link puts files where it says, whatever is there": Case(
        "FROM busybox\nRUN mkdir -m 700 /d && chown 3:4 /d && ln -s /tmp /l\nCOPY --link x /d/a\n"
        "COPY --link x /l/b\n",
        TREE,
        tree={"d": DIR, "d/a": f("X", 0o755), "l": DIR, "l/b": f("X", 0o755)},
    ),
    "link with numbers": Case(
        "FROM scratch\nCOPY --link --chown=3:4 x /d/a\n", TREE,
        tree={"d": "d 755 3:4", "d/a": f("X", 0o755, "3:4")},
    ),
    "link with a name": Case("FROM busybox\nCOPY --link --chown=nobody x /a\n", TREE, fails="nobody|name"),
    "link is no link when it is false": Case(
        "FROM busybox\nRUN mkdir -m 700 /d\nCOPY --link=false x /d/a\n", TREE,
        tree={"d": "d 700 0:0", "d/a": f("X", 0o755)},
    ),
    # heredocs
    "heredocs": Case(
        "FROM scratch\nARG V=1\nCOPY <<a <<'b' <<-c x /o/\nv $V \"q\" 'r' \\$V\na\nv $V\nb\n\t\ti\n\tj\nc\n",
        TREE,
        tree={
            "o": DIR, "o/a": f("v 1 \"q\" 'r' $V\n"), "o/b": f("v $V\n"), "o/c": f("i\nj\n"),
            "o/x": f("X", 0o755),
        },
    ),
    "a heredoc with mode and owner": Case(
        "FROM scratch\nCOPY --chmod=700 --chown=1:2 <<E /run.sh\n#!/bin/sh\nE\n",
        tree={"run.sh": f("#!/bin/sh\n", 0o700, "1:2")},
    ),
    "an empty heredoc": Case("FROM scratch\nCOPY <<E /e\nE\n", tree={"e": f()}),
    "a heredoc of one name twice": Case(
        "FROM scratch\nCOPY <<E /a\n1\nE\nCOPY <<E /b\n2\nE\n", tree={"a": f("1\n"), "b": f("2\n")}
    ),
    # parsing
    "no destination": Case("FROM scratch\nCOPY x\n", TREE, fails="at least two arguments"),
    "an unknown flag": Case("FROM scratch\nCOPY --fro=a x /y\n", TREE, fails="unknown flag"),
    "a URL": Case("FROM scratch\nCOPY http://127.0.0.1:1/x /y\n", fails="URL|ADD|cannot fetch"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_copy(case: Case, check: Callable[[Case], None]) -> None:
    check(case)
