"""Stages, bases, contexts, metadata, ignored files: what a Dockerfile is made of and made from."""

from collections.abc import Callable

import pytest

from tests.conformance.case import Case, directory, link

pytestmark = pytest.mark.root

DIR = "d 755 0:0"
EMPTY = "f 644 0:0"
SECOND = 1_000_000_000


def ignored(patterns: str, left: str, *, files: str = "a b.md d/a d/b.md d/e/a d/e/b.md") -> Case:
    """Return a case of which files a .dockerignore leaves."""
    tree: dict[str, str | None] = {}
    for path in left.split():
        parts = path.split("/")
        tree |= {"/".join(parts[:at]): DIR for at in range(1, len(parts))}
        tree[path.rstrip("/")] = EMPTY if not path.endswith("/") else DIR
    context = dict.fromkeys(files.split(), "")
    ignore = f"Dockerfile\n.dockerignore\n{patterns}\n"
    return Case("FROM scratch\nCOPY . /\n", {**context, ".dockerignore": ignore}, tree=tree)


CASES = {
    # stages
    "a stage that is not needed is not built": Case(
        "FROM nothing.invalid/x AS a\nRUN false\nFROM busybox AS b\nRUN false\nFROM scratch\nCOPY x /x\n",
        {"x": ""}, tree={"x": EMPTY},
    ),
    "a target by name, whatever its case, and by number": Case(
        "FROM scratch AS One\nCOPY x /x\nFROM busybox\nRUN false\n", {"x": ""},
        flags=["--target", "ONE"],
    ),
    "a target that is none": Case("FROM scratch AS build\n", flags=["--target", "biuld"], fails="build"),
    "names are in lower case only for FROM": Case("FROM busybox AS One\nFROM One\n", fails="lower case|One"),
    "a name that is none": Case("FROM busybox AS 1a\n", fails="invalid name for build stage"),
    "the last of two of a name": Case(
        "FROM scratch AS a\nCOPY x /1\nFROM scratch AS a\nCOPY x /2\nFROM scratch\nCOPY --from=a / /\n", {"x": ""},
        tree={"2": EMPTY},
    ),
    "a child does not inherit ONBUILD of a stage, it runs it": Case(
        "FROM busybox AS a\nONBUILD RUN echo 1 >> /o\nONBUILD ENV A=1\nFROM a AS b\nFROM b\nRUN echo 2 >> /o\n",
        tree={"o": "f 644 0:0 1\n2\n"}, config={"OnBuild": None},
    ),
    "ONBUILD is kept as it is written": Case(
        'FROM busybox\nARG A=1\nONBUILD RUN echo $A  "x"\nonbuild copy a /b\n', tree={},
        config={"OnBuild": ['RUN echo $A  "x"', "copy a /b"]},
    ),
    "ONBUILD needs a stage": Case(
        "FROM scratch AS s\nCOPY x /x\nFROM busybox AS a\nONBUILD COPY --from=s /x /y\nFROM a\n", {"x": ""},
        tree={"y": EMPTY},
    ),
    "ONBUILD of ONBUILD": Case("FROM busybox\nONBUILD ONBUILD RUN x\n", fails="Chaining ONBUILD"),
    "ONBUILD of FROM": Case("FROM busybox\nONBUILD FROM x\n", fails="isn't allowed as an ONBUILD"),
    # metadata
    "ENTRYPOINT takes a base's CMD away, not one that comes before it": Case(
        'FROM busybox AS a\nENTRYPOINT ["/e"]\nFROM a\nCMD ["c"]\nENTRYPOINT f g\n',
        config={"Cmd": ["c"], "Entrypoint": ["/bin/sh", "-c", "f g"]},
    ),
    "a CMD of the stage before does not count as one": Case(
        'FROM busybox AS a\nCMD ["c"]\nFROM a\nENTRYPOINT ["/e"]\n', config={"Cmd": None, "Entrypoint": ["/e"]}
    ),
    "the last one counts": Case(
        'FROM busybox\nCMD a\nCMD ["b"]\nENTRYPOINT []\n', config={"Cmd": ["b"], "Entrypoint": None}
    ),
    "CMD and ENTRYPOINT use the SHELL of their place": Case(
        'FROM busybox\nSHELL ["/s", "-x"]\nCMD a "b" $C\nSHELL ["/t"]\nENTRYPOINT e\n',
        config={"Cmd": ["/s", "-x", 'a "b" $C'], "Entrypoint": ["/t", "e"], "Shell": ["/t"], "ArgsEscaped": True},
    ),
    "what is nearly JSON is for the shell": Case(
        "FROM busybox\nCMD ['a', 'b']\n", config={"Cmd": ["/bin/sh", "-c", "['a', 'b']"]}
    ),
    "JSON and text": Case('FROM busybox\nCMD ["a"] b\n', config={"Cmd": ["/bin/sh", "-c", '["a"] b']}),
    "an empty CMD": Case("FROM busybox\nCMD []\n", config={"Cmd": None}),
    "SHELL wants JSON": Case("FROM busybox\nSHELL /bin/sh -c\n", fails="JSON"),
    "a health check": Case(
        "FROM busybox\nHEALTHCHECK --interval=1m30s --timeout=5s --start-period=100ms --start-interval=2s --retries=4 CMD a b\n",
        config={
            "Healthcheck": {
                "Test": ["CMD-SHELL", "a b"], "Interval": 90 * SECOND, "Timeout": 5 * SECOND,
                "StartPeriod": SECOND // 10, "StartInterval": 2 * SECOND, "Retries": 4,
            }
        },
    ),
    "a health check is inherited, and switched off": Case(
        'FROM busybox AS a\nHEALTHCHECK CMD ["x"]\nFROM a AS b\nFROM b AS c\nHEALTHCHECK NONE\nFROM b\n',
        config={"Healthcheck": {"Test": ["CMD", "x"]}},
    ),
    "off": Case("FROM busybox\nHEALTHCHECK CMD x\nHEALTHCHECK NONE\n", config={"Healthcheck": {"Test": ["NONE"]}}),
    "an interval that is too short": Case("FROM busybox\nHEALTHCHECK --interval=1us CMD x\n", fails="less than"),
    "a check of no kind": Case("FROM busybox\nHEALTHCHECK RUN x\n", fails="Unknown type"),
    "EXPOSE": Case(
        "FROM busybox\nARG P=9\nEXPOSE 80 81/UDP 90-92/tcp ${P}0 1:2/sctp\nEXPOSE 80/tcp\n",
        config={
            "ExposedPorts": {
                port: {} for port in ("2/sctp", "80/tcp", "81/udp", "90/tcp", "91/tcp", "92/tcp")
            }
        },
    ),
    "ports that are none": Case("FROM busybox\nEXPOSE 70000\n", fails="70000"),
    "a protocol that is none": Case("FROM busybox\nEXPOSE 80/icmp\n", fails="icmp"),
    "VOLUME, both forms": Case(
        'FROM busybox\nARG V=/v\nVOLUME ["/a b", "/c"]\nVOLUME $V d\n', tree={},
        config={"Volumes": {"/a b": {}, "/c": {}, "/v": {}, "d": {}}},
    ),
    "VOLUME of nothing": Case("FROM busybox\nVOLUME $NONE\n", fails="empty"),
    "STOPSIGNAL": Case("FROM busybox\nARG S=SIGRTMIN+3\nSTOPSIGNAL $S\n", config={"StopSignal": "SIGRTMIN+3"}),
    "a signal that is none": Case("FROM busybox\nSTOPSIGNAL SIGNOTHING\n", fails="SIGNOTHING"),
    "USER is not checked": Case("FROM scratch\nUSER a:b\n", config={"User": "a:b"}),
    "MAINTAINER takes all": Case("FROM busybox\nMAINTAINER  a  b\n", history=["MAINTAINER a  b"]),
    # WORKDIR
    "WORKDIR is made, and chained": Case(
        "FROM busybox\nWORKDIR /a\nWORKDIR b/c\nWORKDIR ../d\n", config={"WorkingDir": "/a/b/d"},
        tree={"a": DIR, "a/b": DIR, "a/b/c": DIR, "a/b/d": DIR},
    ),
    "it is kept as it is written": Case(
        "FROM busybox\nWORKDIR /a/../b//c/\n", config={"WorkingDir": "/a/../b//c/"}, tree={"b": DIR, "b/c": DIR}
    ),
    "of a variable, of nothing, relative to nothing": Case(
        'FROM busybox\nENV D=/x/\nWORKDIR w\nWORKDIR $D\nWORKDIR "$NONE"\n', config={"WorkingDir": "/x/"},
        tree={"w": DIR, "x": DIR},
    ),
    "of a user": Case(
        "FROM busybox\nUSER nobody\nWORKDIR /a/b\nUSER 5:6\nWORKDIR /c\nUSER 7\nWORKDIR /d\nUSER who\nWORKDIR /e\n",
        tree={
            "a": "d 755 65534:65534", "a/b": "d 755 65534:65534", "c": "d 755 5:6", "d": "d 755 7:7",
            "e": DIR,
        },
    ),
    "one that exists stays as it is": Case(
        "FROM busybox\nRUN mkdir -m 700 /a && chown 3:4 /a && ln -s a /l\nUSER 5\nWORKDIR /l/b\n",
        tree={"a": "d 700 3:4", "a/b": "d 755 5:5", "l": "l a"}, config={"WorkingDir": "/l/b"},
    ),
    "a file is no directory": Case("FROM busybox\nRUN touch /f\nWORKDIR /f/g\n", fails="not a directory"),
    "it is inherited": Case(
        "FROM busybox AS a\nWORKDIR /a\nFROM a\nWORKDIR b\nCOPY x .\n", {"x": ""},
        tree={"a": DIR, "a/b": DIR, "a/b/x": EMPTY},
    ),
    # contexts
    "a named context of a directory": Case(
        "FROM scratch\nCOPY --from=other . /\n", {"o/x": "", "o/y": "", "o/.dockerignore": "y\n"},
        flags=["--build-context", "other={context}/o"], tree={".dockerignore": "f 644 0:0 y\n", "x": EMPTY},
    ),
    "it goes before images, whatever way the name is written": Case(
        "FROM docker.io/library/other:latest AS a\nFROM scratch\nCOPY --from=a /x /1\nCOPY --from=library/other /x /2\n",
        {"o/x": ""}, flags=["--build-context", "other={context}/o"], tree={"1": EMPTY, "2": EMPTY},
    ),
    "but not with another tag": Case(
        "FROM scratch\nCOPY --from=localhost:1/other:2 /x /1\n", {"o/x": ""},
        flags=["--build-context", "localhost:1/other={context}/o"], fails="localhost:1",
    ),
    "it takes the place of a stage": Case(
        "FROM busybox AS a\nRUN false\nFROM scratch\nCOPY --from=a /x /x\n", {"o/x": ""},
        flags=["--build-context", "a={context}/o"], tree={"x": EMPTY},
    ),
    "a named context of an image": Case(
        "FROM base\nCOPY --from=base /etc/group /g\n", flags=["--build-context", "base=docker-image://busybox"],
        tree=None,
    ),
    "a named context of nothing": Case(
        "FROM base\nCOPY x /\n", {"x": ""}, flags=["--build-context", "base=docker-image://scratch"], tree=None
    ),
    "owners of a named context are root's": Case(
        "FROM scratch\nCOPY --from=other x /\n", {"o/x": (0o640, "")},
        flags=["--build-context", "other={context}/o"], tree={"x": "f 640 0:0"},
    ),
    "a mount of a named context": Case(
        "FROM busybox\nRUN --mount=from=other,target=/m cp /m/x /x\n", {"o/x": ""},
        flags=["--build-context", "other={context}/o"], tree={"x": EMPTY},
    ),
    # bases
    "a base that is missing": Case("FROM localhost:1/none\n", fails="localhost:1"),
    "FROM a digest that is wrong": Case(
        f"FROM busybox@sha256:{'0' * 64}\n", fails="0000"
    ),
    "FROM scratch alone": Case("FROM scratch\nENV A=1\n", tree={}),
    "a platform that is none": Case("FROM --platform=linux/a/b/c/d busybox\n", fails="platform"),
    "a platform of a variable that is unset": Case("FROM --platform=$NONE busybox\n", fails="empty platform"),
    # ADD
    "ADD of files is COPY": Case(
        "FROM scratch\nADD --chown=1:2 --chmod=600 x d /o/\n", {"x": "X", "d/y": ""},
        tree={"o": "d 600 1:2", "o/x": "f 600 1:2 X", "o/y": "f 600 1:2"},
    ),
    "a checksum is for what is remote": Case(
        f"FROM scratch\nADD --checksum=sha256:{'0' * 64} x /y\n", {"x": ""}, fails="checksum"
    ),
    "ADD of a URL that does not answer": Case("FROM scratch\nADD http://127.0.0.1:1/x /y\n", fails="127.0.0.1"),
    # parsing
    "instructions in any case": Case("from busybox\nenv A=1\nRun true\n", tree={}, config={"Cmd": ["sh"]}),
    "an unknown instruction": Case("FROM busybox\nRUNN x\n", fails="unknown instruction"),
    "nothing": Case("# only this\nARG A\n", fails="no stages|no build stage|FROM"),
    "something before FROM": Case("RUN true\nFROM busybox\n", fails="no build stage|before"),
    "a file with a BOM and CRLF": Case(
        "\ufeffFROM busybox\r\nENV A=1 \\\r\n  B=2\r\nRUN echo $B > /o\r\n", tree={"o": "f 644 0:0 2\n"}
    ),
    "an empty line continues": Case("FROM busybox\nRUN echo a \\\n\n\n  b > /o\n", tree={"o": "f 644 0:0 a b\n"}),
    "the last line may end in a backslash": Case("FROM busybox\nRUN echo a > /o \\\n", tree={"o": "f 644 0:0 a\n"}),
    "an escape directive that is none": Case("# escape=x\nFROM busybox\n", fails="escape"),
    "a directive after a comment is a comment": Case(
        "# c\n# escape=`\nFROM busybox\nENV A=a\\\nb\n", config={"Cmd": ["sh"]}, history=["ENV A=ab"]
    ),
    # .dockerignore
    "no ignored files": ignored("", "a b.md d/a d/b.md d/e/a d/e/b.md"),
    "a name at the top alone": ignored("a", "b.md d/a d/b.md d/e/a d/e/b.md"),
    "a pattern at the top alone": ignored("*.md", "a d/a d/b.md d/e/a d/e/b.md"),
    "at any depth": ignored("**/*.md", "a d/a d/e/a"),
    "one level down": ignored("*/*.md", "a b.md d/a d/e/a d/e/b.md"),
    "a directory, with a slash": ignored("d/", "a b.md"),
    "a directory, from the root": ignored("/d/e", "a b.md d/a d/b.md"),
    "all but one": ignored("*\n!d/e/a", "d/e/a"),
    "an exception and an exception to it": ignored("**/*.md\n!d/**\nd/e", "a d/a d/b.md"),
    "the order counts": ignored("!d/a\nd", "a b.md"),
    "comments, blanks and dots": ignored("# d\n\n  a  \n./b.md\nd/../d/e", "d/a d/b.md"),
    "double stars in the middle": ignored("d/**/b.md", "a b.md d/a d/e/a"),
    "double stars at the end": ignored("d/**", "a b.md d/"),
    "question marks": ignored("?\n??/x", "b.md"),
    "a class": ignored("[a-c]", "b.md d/a d/b.md d/e/a d/e/b.md"),
    "a case that differs": ignored("A\nD", "a b.md d/a d/b.md d/e/a d/e/b.md"),
    "what is ignored cannot be copied": Case(
        "FROM scratch\nCOPY x /x\n", {"x": "", ".dockerignore": "x"}, fails="x"
    ),
    "the Dockerfile may be ignored": Case(
        "FROM scratch\nCOPY x /x\n", {"x": "", ".dockerignore": "*\n!x"}, tree={"x": EMPTY}
    ),
    "an ignore file of the Dockerfile's own": Case(
        "FROM scratch\nCOPY . /\n",
        {"x": "", "y": "", ".dockerignore": "x", "Dockerfile.dockerignore": "y\nDockerfile*\n.d*"},
        tree={"x": EMPTY},
    ),
    "an ignored directory that a link leads to": Case(
        "FROM scratch\nCOPY l /o\n", {"d/x": "", "l": link("d"), ".dockerignore": "d"}, fails="l"
    ),
    "an empty directory whose files are ignored": Case(
        "FROM scratch\nCOPY d /d\n", {"d/e": directory(0o755), "d/x": "", ".dockerignore": "**/x"},
        tree={"d": DIR, "d/e": DIR},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_stages(case: Case, check: Callable[[Case], None]) -> None:
    check(case)
