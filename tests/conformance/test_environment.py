"""ARG, ENV and words: who sees what, where, and which wins."""

from collections.abc import Callable

import pytest

from tests.conformance.case import Case

pytestmark = pytest.mark.root

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def says(words: str) -> str:
    """Return a RUN that keeps words, as the shell sees them, in /o."""
    return f'RUN printf "%s\\n" {words} > /o\n'


def kept(*lines: str) -> dict[str, str | None]:
    """Return the tree that such a RUN leaves."""
    return {"o": "f 644 0:0 " + "".join(f"{line}\n" for line in lines)}


CASES = {
    "an ARG before FROM is unseen until it is declared": Case(
        "ARG A=1\nFROM busybox\n" + says('"x$A"') + "ARG A\n" + says('"x$A"'), tree=kept("x1")
    ),
    "an ARG before FROM stays unseen": Case(
        "ARG A=1\nFROM busybox\n" + says('"x$A"'), tree=kept("x")
    ),
    "a declared one may have another default": Case(
        "ARG A=1\nFROM busybox\nARG A=2\n" + says("$A"), tree=kept("2")
    ),
    "a build argument wins over both": Case(
        "ARG A=1\nFROM busybox\nARG A=2\n" + says("$A"), flags=["--build-arg", "A=3"],
        tree=kept("3"),
    ),
    "an empty build argument is set": Case(
        "FROM busybox\nARG A=2\n" + says('"${A-unset}" "${A:-empty}"'),
        flags=["--build-arg", "A="], tree=kept("", "empty"),
    ),
    "an ARG without value is no variable": Case(
        "FROM busybox\nARG A\n" + says('"${A-unset}"'), tree=kept("unset")
    ),
    "an unknown build argument is not seen": Case(
        "FROM busybox\n" + says('"${A-unset}"'), flags=["--build-arg", "A=1"], tree=kept("unset")
    ),
    "ENV after ARG wins": Case(
        "FROM busybox\nARG A=1\nENV A=2\n" + says("$A"), flags=["--build-arg", "A=3"],
        tree=kept("2"), config={"Env": [PATH, "A=2"]},
    ),
    "ARG after ENV wins in RUN, not in the image": Case(
        "FROM busybox\nENV A=2\nARG A=1\n" + says("$A"), tree=kept("1"),
        config={"Env": [PATH, "A=2"]},
    ),
    "ARG without a value after ENV changes nothing": Case(
        "FROM busybox\nENV A=2\nARG A\n" + says("$A"), tree=kept("2")
    ),
    "ENV of an ARG goes into the image": Case(
        "FROM busybox\nARG A=1\nENV A=$A B=${A}x\n", tree={}, config={"Env": [PATH, "A=1", "B=1x"]}
    ),
    "ENV of one line does not see itself": Case(
        "FROM busybox\nENV A=1\nENV A=2 B=$A\nENV C=$A\n",
        config={"Env": [PATH, "A=2", "B=1", "C=2"]},
    ),
    "ARG of one line sees itself": Case(
        "FROM busybox\nARG A=1 B=${A}2 C=$B$A\n" + says("$C"), tree=kept("121")
    ),
    "an override keeps its place": Case(
        "FROM busybox\nENV A=1 B=2\nENV PATH=/bin A=3\n", config={"Env": ["PATH=/bin", "A=3", "B=2"]}
    ),
    "a child stage sees the ARGs of its parent": Case(
        "FROM busybox AS a\nARG A=1\nFROM a\n" + says('"$A"'), tree=kept("1")
    ),
    "another stage does not": Case(
        "FROM busybox AS a\nARG A=1\nRUN true\nFROM busybox\n" + says('"${A-unset}"'),
        tree=kept("unset"),
    ),
    "a build argument reaches each stage that asks": Case(
        "FROM busybox AS a\nARG A\nRUN echo $A > /f\nFROM busybox\nARG A=z\n"
        "COPY --from=a /f /f\n" + says("$A"),
        flags=["--build-arg", "A=9"],
        tree={"f": "f 644 0:0 9\n", **kept("9")},
    ),
    "ARGs chain before FROM": Case(
        "ARG A=busy\nARG B=${A}box\nFROM $B\nARG B\n" + says("$B"), tree=kept("busybox")
    ),
    "an ARG before FROM sees a build argument of another": Case(
        "ARG A=nothing\nARG B=${A}box\nFROM ${B}\n", flags=["--build-arg", "A=busy"], tree={}
    ),
    "an ARG in a stage is unknown to FROM": Case(
        "FROM busybox AS a\nARG B=busybox\nFROM $B\n", fails="should not be blank"
    ),
    "defaults in FROM": Case(
        "ARG T\nFROM ${T:-busybox} AS a\nFROM ${T:+x}busy${T:-box}\n", tree={}
    ),
    "an error that a word asks for": Case(
        "FROM busybox\nARG A\nENV B=${A:?needed}\n", fails="needed"
    ),
    "patterns in words": Case(
        "FROM busybox\nENV A=a.tar.gz P=/x/y/z\n"
        "ENV B=${A%.*} C=${A%%.*} D=${P#*/} E=${P##*/} F=${P/y/Y} G=${P//\\//-}\n",
        config={
            "Env": [
                PATH, "A=a.tar.gz", "P=/x/y/z", "B=a.tar", "C=a", "D=x/y/z", "E=z", "F=/x/Y/z",
                "G=-x-y-z",
            ]
        },
    ),
    "quotes and escapes in ENV": Case(
        """FROM busybox\nENV A=1\nENV B='$A' C="$A" D=\\$A E="a b" F=a\\ b G="\\"q\\"" H='it"s'\n""",
        config={
            "Env": [PATH, "A=1", "B=$A", "C=1", "D=$A", "E=a b", "F=a b", 'G="q"', 'H=it"s']
        },
    ),
    "the old form of ENV takes the rest of the line": Case(
        'FROM busybox\nENV A b   c "d"  \nENV E=f g=h\n', config={"Env": [PATH, "A=b   c d", "E=f", "g=h"]}
    ),
    "ENV over several lines, with comments": Case(
        "FROM busybox\nENV A=1 \\\n  # no part of it\n  B=2 \\\n\n  C=3\n",
        config={"Env": [PATH, "A=1", "B=2", "C=3"]},
    ),
    "another escape character": Case(
        "# escape=`\nFROM busybox\nENV A=c:\\x `\n  B=`$x\n" + says('"$A" "$B"'),
        tree=kept("c:\\x", "$x"),
    ),
    "a key of ENV is expanded": Case(
        "FROM busybox\nARG K=name\nENV $K=1 ${K}2=3\n", config={"Env": [PATH, "name=1", "name2=3"]}
    ),
    "a key of ARG is not": Case(
        "FROM busybox\nARG K=name\nARG $K=1\n" + says('"${name-unset}"'), tree=kept("unset")
    ),
    "labels": Case(
        'FROM busybox\nARG V=1\nLABEL a=$V "b c"="d e" f=\'$V\' g.h/i=j\nLABEL a=2 multi="x\\\ny"\n',
        config={"Labels": {"a": "2", "b c": "d e", "f": "$V", "g.h/i": "j", "multi": "xy"}},
    ),
    "labels of the command line win": Case(
        "FROM busybox\nLABEL a=1 b=2\n", flags=["--label", "a=3", "--label", "c=4"],
        config={"Labels": {"a": "3", "b": "2", "c": "4"}},
        history=["LABEL a=1 b=2"],
    ),
    "RUN is not expanded by the builder": Case(
        "FROM busybox\nARG A=1\n" + says("'$A' \"${A#x}\" $((1+1))"), tree=kept("$A", "1", "2")
    ),
    "proxies are seen, in both cases, and left out of the history": Case(
        "FROM busybox\n" + says('"$http_proxy" "$HTTP_PROXY" "$no_proxy" "$NO_PROXY"'),
        flags=["--build-arg", "HTTP_PROXY=http://p", "--build-arg", "no_proxy=a"],
        tree=kept("http://p", "http://p", "a", "a"),
        config={"Env": [PATH]},
        history=[
            "RUN /bin/sh -c "
            'printf "%s\\n" "$http_proxy" "$HTTP_PROXY" "$no_proxy" "$NO_PROXY" > /o # buildkit'
        ],
    ),
    "history tells the ARGs that a RUN sees, in the order of their first declaration": Case(
        "FROM busybox\nARG A=1\nARG B\nARG A=2\nENV B=3\nRUN true\n",
        history=[
            "ARG A=1", "ARG B", "ARG A=2", "ENV B=3", "RUN |2 A=2 B=3 /bin/sh -c true # buildkit",
        ],
    ),
    "history of metadata": Case(
        'FROM busybox\nARG X Y=1\nENV A="b c" D=e\nUSER 1:2\nEXPOSE 81 80/udp\nVOLUME /a /b\n'
        'SHELL ["/bin/ash", "-c"]\nCMD echo hi\nENTRYPOINT ["/x", "a b"]\nSTOPSIGNAL 9\n'
        "HEALTHCHECK --interval=5s --retries=3 CMD true\nHEALTHCHECK NONE\nMAINTAINER me <m@x>\n",
        tree={},
        history=[
            "ARG X Y=1",
            "ENV A=b c D=e",
            "USER 1:2",
            "EXPOSE [80/udp 81/tcp]",
            "VOLUME [/a /b]",
            "SHELL [/bin/ash -c]",
            'CMD ["/bin/ash" "-c" "echo hi"]',
            'ENTRYPOINT ["/x" "a b"]',
            "STOPSIGNAL 9",
            "HEALTHCHECK {Test:[CMD-SHELL true] Interval:5s Timeout:0s StartPeriod:0s "
            "StartInterval:0s Retries:3}",
            "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s "
            "Retries:0}",
            "MAINTAINER me <m@x>",
        ],
    ),
    "history of files": Case(
        "FROM busybox\nWORKDIR /w\nWORKDIR /\nCOPY a b* ./\nCOPY --chown=1:2 --chmod=600 a /c\n"
        "ADD a /d\nCOPY <<E <<F /e/\nx\nE\ny\nF\nCOPY --parents a /p/\nCOPY --from=busybox /bin/sh /s\n",
        {"a": "", "b1": ""},
        history=[
            "WORKDIR /w",
            "WORKDIR /",
            "COPY a b* ./ # buildkit",
            "COPY --chown=1:2 --chmod=600 a /c # buildkit",
            "ADD a /d # buildkit",
            "COPY <<E <<F /e/ # buildkit",
            "COPY --parents a /p/ # buildkit",
            "COPY /bin/sh /s # buildkit",
        ],
    ),
    "platform ARGs are there without declaration for FROM, and declared for RUN": Case(
        "ARG TARGETARCH\nFROM --platform=linux/$TARGETARCH busybox\n"
        "ARG TARGETPLATFORM TARGETOS BUILDPLATFORM TARGETVARIANT TARGETSTAGE\n"
        + says('"$TARGETPLATFORM" "$TARGETOS" "$BUILDPLATFORM" "$TARGETVARIANT" "$TARGETSTAGE"'),
        tree=kept("linux/amd64", "linux", "linux/amd64", "", "default"),
    ),
    "an undeclared one is not seen": Case(
        "FROM busybox\n" + says('"${TARGETARCH-unset}"'), tree=kept("unset")
    ),
    "a default of a platform ARG is the declared one": Case(
        "FROM busybox\nARG TARGETARCH=mine\n" + says("$TARGETARCH"), tree=kept("mine")
    ),
    "TARGETSTAGE is the target's name": Case(
        "FROM busybox AS one\nARG TARGETSTAGE\n" + says("$TARGETSTAGE") + "FROM one AS two\n",
        flags=["--target", "two"], tree=kept("two"),
    ),
    "scanner's ARGs are no variables": Case(
        "FROM busybox\nARG BUILDKIT_SBOM_SCAN_CONTEXT=true\n"
        + says('"${BUILDKIT_SBOM_SCAN_CONTEXT-unset}"'),
        tree=kept("unset"),
    ),
    "PATH where the base has none": Case(
        "FROM scratch\nCOPY f /\n", {"f": ""}, tree={"f": "f 644 0:0"},
        config={"Env": [PATH], "WorkingDir": "/"},
    ),
    "SOURCE_DATE_EPOCH is an ARG like others": Case(
        "FROM busybox\nARG SOURCE_DATE_EPOCH\n" + says("$SOURCE_DATE_EPOCH"),
        flags=["--build-arg", "SOURCE_DATE_EPOCH=1234"], tree=kept("1234"),
    ),
    "HOME is the user's": Case(
        "FROM busybox\nRUN echo $HOME > /a; chmod 777 /\nUSER nobody\nRUN echo $HOME > /b\nUSER 4242\n"
        "RUN echo $HOME > /c\nENV HOME=/h\nRUN echo $HOME > /d\n",
        tree={
            "a": "f 644 0:0 /root\n", "b": "f 644 65534:65534 /home\n", "c": "f 644 4242:0 /\n",
            "d": "f 644 4242:0 /h\n",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_environment(case: Case, check: Callable[[Case], None]) -> None:
    check(case)
