"""RUN: shells, users, mounts, what a process sees, and what stays of it."""

from collections.abc import Callable

import pytest

from tests.conformance.case import Case

pytestmark = pytest.mark.root

DIR = "d 755 0:0"


def o(*lines: str) -> dict[str, str | None]:
    """Return the tree that ``> /o`` leaves."""
    return {"o": "f 644 0:0 " + "".join(f"{line}\n" for line in lines)}


MOUNT = "RUN --mount=type="

CASES = {
    # forms
    "JSON is run as it is": Case(
        'FROM busybox\nRUN ["/bin/touch", "/a b", "/$x"]\n',
        tree={"$x": "f 644 0:0", "a b": "f 644 0:0"},
    ),
    "JSON finds programs in PATH": Case(
        'FROM busybox\nENV PATH=/none:/bin\nRUN ["touch", "/a"]\n', tree={"a": "f 644 0:0"}
    ),
    "what is no JSON is for the shell": Case("FROM busybox\nRUN [ 1 = 1 ] && touch /a\n", tree={"a": "f 644 0:0"}),
    "SHELL": Case(
        'FROM busybox\nSHELL ["/bin/sh", "-ec"]\nRUN false; touch /a\n', fails="exit status 1|exit code"
    ),
    "SHELL stays in the image, and in stages made from it": Case(
        'FROM busybox AS a\nSHELL ["/bin/sh", "-xc"]\nFROM a\nRUN echo $- > /o\n',
        tree=None, config={"Shell": ["/bin/sh", "-xc"]},
    ),
    "a command over several lines, with comments": Case(
        "FROM busybox\nRUN echo a \\\n# no part of it\n   b > /o && \\\n  echo c >> /o\n",
        tree=o("a b", "c"),
    ),
    "no pipefail": Case("FROM busybox\nRUN false | true\n", tree={}),
    "a failure": Case("FROM busybox\nRUN exit 3\n", fails="3"),
    "death by a signal": Case("FROM busybox\nRUN kill -9 $$\n", fails="137|signal|9"),
    "a program that is missing": Case('FROM busybox\nRUN ["/none"]\n', fails="none"),
    "no input": Case("FROM busybox\nRUN cat > /o; test -t 0 || echo no >> /o\n", tree=o("no")),
    # heredocs
    "a heredoc is a script": Case(
        "FROM busybox\nARG A=1\nRUN <<E\necho $A > /o\necho '$A' >> /o\nE\n", tree=o("1", "$A")
    ),
    "with an interpreter of its own": Case(
        'FROM busybox\nRUN <<E\n#!/bin/ash -e\necho "$0" > /o\nE\n', tree=o("/dev/pipes/E")
    ),
    "as input of a command": Case(
        "FROM busybox\nARG A=1\nRUN cat <<E > /o && cat <<'F' >> /o\n$A\nE\n$A\nF\n", tree=o("1", "$A")
    ),
    "with tabs removed": Case(
        "FROM busybox\nRUN <<-E\n\tcat > /o <<-F\n\t\ta\n\tF\n\tE\n", tree=o("a")
    ),
    "on another descriptor": Case("FROM busybox\nRUN cat 3<<E <&3 > /o\nx\nE\n", tree=o("x")),
    "quoted, after a shell of the image's": Case(
        'FROM busybox\nSHELL ["/bin/sh", "-uc"]\nRUN <<"E"\necho "${A-a}" > /o\nE\n', tree=o("a")
    ),
    "one that does not end": Case("FROM busybox\nRUN <<E\nx\n", fails="unterminated|EOF|heredoc"),
    # users
    "USER by name, number, with group": Case(
        "FROM busybox\nRUN chmod 777 /; echo u:x:40:41::/h: >> /etc/passwd; "
        "printf 'g:x:42:\\nextra:x:43:u,nobody\\n' >> /etc/group\n"
        "USER u\nRUN id -u > /a; id -g >> /a; id -G >> /a\nUSER u:g\nRUN id -u > /b; id -G >> /b\n"
        "USER 40\nRUN id -u > /c; id -g >> /c; id -G >> /c\nUSER 50\nRUN id -u > /d; id -G >> /d\n"
        "USER 50:51\nRUN id -G > /e\nUSER u:60\nRUN id -G > /f\nUSER root\nRUN rm /etc/passwd /etc/group\n"
        "USER 0:0\n",
        tree={
            "etc/passwd": None, "etc/group": None,
            "a": "f 644 40:41 40\n41\n41 43\n", "b": "f 644 40:42 40\n42\n",
            "c": "f 644 40:41 40\n41\n41 43\n", "d": "f 644 50:0 50\n0\n", "e": "f 644 50:51 51\n",
            "f": "f 644 40:60 60\n",
        },
        config={"User": "0:0"},
    ),
    "an unknown user": Case("FROM busybox\nUSER who\nRUN true\n", fails="who"),
    "an unknown group": Case("FROM busybox\nUSER root:who\nRUN true\n", fails="who"),
    "a user that no RUN needs may be unknown": Case(
        "FROM busybox\nUSER who\n", tree={}, config={"User": "who"}
    ),
    "USER of a variable": Case(
        "FROM busybox\nARG U=nobody\nUSER $U:${G:-7}\n", config={"User": "nobody:7"}
    ),
    "root without /etc/passwd": Case(
        "FROM busybox\nRUN rm /etc/passwd\nRUN id -u > /o; echo $HOME >> /o\n",
        tree={"etc/passwd": None, **o("0", "/")},
    ),
    "big ids": Case(
        "FROM busybox\nRUN touch /a && chown 3000000:4294967294 /a\nCOPY --from=busybox --chown=2147483647 /etc/group /g\n",
        tree={
            "a": "f 644 3000000:4294967294",
            "g": "f 644 2147483647:2147483647 root:x:0:\nnogroup:x:65534:\n",
        },
    ),
    # what a process sees
    "the directory, hostname, hosts and resolver": Case(
        "FROM busybox\nWORKDIR /w\nRUN (pwd; hostname; grep -c localhost /etc/hosts; test -e /etc/resolv.conf && echo r) > /o\n",
        tree={"w": DIR, **o("/w", "buildkitsandbox", "2", "r")},
    ),
    "extra hosts": Case(
        "FROM busybox\nRUN grep here /etc/hosts | tr '\\t' ' ' > /o\n",
        flags=["--add-host", "here:10.1.2.3"], tree=o("10.1.2.3 here"),
    ),
    "what is written to them is lost": Case(
        "FROM busybox\nRUN echo XX >> /etc/hosts; echo y > /etc/resolv.conf; hostname z || true\n"
        "RUN grep -c XX /etc/hosts > /o || true\n",
        tree=o("0"),
    ),
    "hosts of the base stay as they were": Case(
        "FROM busybox\nCOPY h /etc/hosts\nCOPY h /etc/resolv.conf\nRUN touch /a\n", {"h": "mine"},
        tree={"a": "f 644 0:0", "etc/hosts": "f 644 0:0 mine", "etc/resolv.conf": "f 644 0:0 mine"},
    ),
    "devices": Case(
        "FROM busybox\nRUN for d in null zero full random urandom tty; do test -c /dev/$d && echo $d; done > /o; "
        "test -d /dev/shm && test -e /dev/fd && test -e /dev/stdin && echo y >> /o; ls /dev/sda* 2>/dev/null >> /o; echo >/dev/null\n",
        tree=o("null", "zero", "full", "random", "urandom", "tty", "y"),
    ),
    "what is put into /dev, /proc and /sys is lost": Case(
        "FROM busybox\nRUN touch /dev/mine; touch /proc/mine /sys/mine 2>/dev/null; true\n", tree={}
    ),
    "umask and limits": Case(
        "FROM busybox\nRUN umask > /o; touch /a; mkdir /b\n",
        tree={"a": "f 644 0:0", "b": DIR, **o("0022")},
    ),
    "no network": Case(
        "FROM busybox\nRUN --network=none ip -o link | grep -vc lo: > /o || true\nRUN --network=none ping -c1 127.0.0.1 > /dev/null 2>&1 && echo up >> /o || echo down >> /o\n",
        tree=None,
    ),
    "a network that is none": Case("FROM busybox\nRUN --network=some true\n", fails="some"),
    "insecure needs leave": Case("FROM busybox\nRUN --security=insecure true\n", fails="insecure"),
    "sandbox is the default": Case("FROM busybox\nRUN --security=sandbox true\n", tree={}),
    "no mounts for a RUN": Case(
        "FROM busybox\nRUN mount -t tmpfs x /tmp 2>/dev/null && echo yes > /o || echo no > /o\n", tree=o("no")
    ),
    "an unknown flag": Case("FROM busybox\nRUN --nothing true\n", fails="unknown flag"),
    # mounts
    "bind of the context": Case(
        "FROM busybox\n" + MOUNT + "bind,target=/m cat /m/x > /o; touch /m/y 2>/dev/null || echo ro >> /o\n",
        {"x": "1\n"}, tree=o("1", "ro"),
    ),
    "bind is the default, of a subdirectory, with all names of keys": Case(
        "FROM busybox\nRUN --mount=src=d,dst=/m cat /m/x > /o\nRUN --mount=source=d/x,destination=/n,ro cat /n >> /o\n",
        {"d/x": "1\n"}, tree=o("1", "1"),
    ),
    "bind of a file": Case(
        "FROM busybox\nRUN --mount=source=x,target=/etc/passwd cat /etc/passwd > /o\n", {"x": "1\n"}, tree=o("1")
    ),
    "bind that can be written to, and is lost": Case(
        "FROM busybox\nRUN --mount=target=/m,rw echo 2 > /m/x; touch /m/y; cat /m/x > /o\nCOPY x /x\n"
        "RUN --mount=target=/m ls /m >> /o\n",
        {"x": "1\n", ".dockerignore": "Dockerfile\n.dockerignore\n"},
        tree={"x": "f 644 0:0 1\n", **o("2", "x")},
    ),
    "bind from a stage, and from an image": Case(
        "FROM busybox AS a\nRUN mkdir /d; echo 1 > /d/f; chown 3:4 /d/f\nFROM busybox\n"
        "RUN --mount=from=a,source=/d,target=/m stat -c %u:%g /m/f > /o; cat /m/f >> /o\n"
        "RUN --mount=from=busybox,source=/etc,target=/m cat /m/group >> /o\n",
        tree=o("3:4", "1", "root:x:0:", "nogroup:x:65534:"),
    ),
    "a relative target": Case(
        "FROM busybox\nWORKDIR /w\nRUN --mount=target=m ls m > /o\n",
        {"x": "", ".dockerignore": "*\n!x\n"}, tree={"w": DIR, **o("x")},
    ),
    "a target made for a mount is left as a directory that is there": Case(
        "FROM busybox\nRUN mkdir -m 700 /m; touch /m/k\nRUN --mount=target=/m true\n",
        tree={"m": "d 700 0:0", "m/k": "f 644 0:0"},
    ),
    "a bind of what is missing": Case("FROM busybox\nRUN --mount=source=no,target=/m true\n", fails="no"),
    "a bind of what .dockerignore leaves out": Case(
        "FROM busybox\nRUN --mount=target=/m ls -a /m > /o\n",
        {"x": "", "y": "", ".dockerignore": "x\nDockerfile\n"}, tree=o(".", "..", ".dockerignore", "y"),
    ),
    "mounts in variables": Case(
        "FROM busybox\nARG T=/m S=d\nRUN --mount=source=$S,target=${T}2 ls /m2 > /o\n", {"d/x": ""}, tree=o("x")
    ),
    "no variables in from": Case(
        "FROM busybox AS a\nFROM busybox\nARG F=a\nRUN --mount=from=$F,target=/m true\n", fails="variable expansion"
    ),
    "no number in from": Case(
        "FROM busybox\nFROM busybox\nRUN --mount=from=0,target=/m true\n", fails="from=0|0:latest"
    ),
    "tmpfs": Case(
        "FROM busybox\nRUN mkdir /m; touch /m/k\nRUN --mount=type=tmpfs,target=/m,size=64k touch /m/a; ls /m > /o; "
        "df -k /m | awk 'NR==2{print $2}' >> /o\n",
        tree={"m": DIR, "m/k": "f 644 0:0", **o("a", "64")},
    ),
    "a cache keeps what it holds between RUNs": Case(
        "FROM busybox\nRUN --mount=type=cache,target=/c echo 1 > /c/f\nRUN --mount=type=cache,target=/c cat /c/f > /o\n"
        "RUN ls /c 2>/dev/null >> /o; true\n",
        flags=["--no-cache"], tree=o("1"),
    ),
    "caches by id; a read-only view": Case(
        "FROM busybox\nRUN --mount=type=cache,id=k1,target=/c echo 1 > /c/f\n"
        "RUN --mount=type=cache,id=k1,target=/e,ro cat /e/f > /o; touch /e/g 2>/dev/null || echo ro >> /o\n"
        "RUN --mount=type=cache,id=k2,target=/c,sharing=private ls /c >> /o\n",
        flags=["--no-cache"], tree=o("1", "ro"),
    ),
    "a cache's owner and mode": Case(
        "FROM busybox\nRUN --mount=type=cache,target=/c,id=owned,uid=5,gid=6,mode=0710,sharing=locked stat -c '%u:%g %a' /c > /o\n",
        tree=o("5:6 710"),
    ),
    "a cache that begins as a stage": Case(
        "FROM busybox AS a\nRUN mkdir /d; echo 1 > /d/f\nFROM busybox\n"
        "RUN --mount=type=cache,target=/c,id=from,from=a,source=/d cat /c/f > /o\n",
        flags=["--no-cache"], tree=o("1"),
    ),
    "secrets": Case(
        "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s > /o; stat -c '%u:%g %a' /run/secrets/s >> /o\n"
        "RUN --mount=type=secret,id=s,target=/etc/x,uid=5,gid=6,mode=0440 stat -c '%u:%g %a' /etc/x >> /o\n"
        "RUN --mount=type=secret,id=s,env=S echo $S >> /o\n"
        "RUN --mount=type=secret,id=s,env=S,target=/t cat /t >> /o\n"
        "RUN --mount=type=secret,id=none ls /run/secrets >> /o 2>&1 || echo none >> /o\n"
        "RUN --mount=type=secret,source=s,dst=rel cat /rel >> /o\nRUN --mount=type=secret,target=/q/s cat /q/s >> /o\n",
        {"s": "psst\n", ".dockerignore": "s\n"}, flags=["--secret", "id=s,src={context}/s"],
        tree=None,
    ),
    "a secret that is required": Case(
        "FROM busybox\nRUN --mount=type=secret,id=gone,required true\n", fails="gone"
    ),
    "a secret of the environment": Case(
        "FROM busybox\nRUN --mount=type=secret,id=HOME,required=true test -s /run/secrets/HOME && echo y > /o\n",
        flags=["--secret", "id=HOME,env=HOME"], tree=None,
    ),
    "ssh that is required": Case("FROM busybox\nRUN --mount=type=ssh,required true\n", fails="ssh"),
    "keys of mounts": Case("FROM busybox\nRUN --mount=type=bind,targett=/m true\n", fails="target"),
    "types of mounts": Case("FROM busybox\nRUN --mount=type=band,target=/m true\n", fails="bind"),
    "sharing is for caches": Case("FROM busybox\nRUN --mount=target=/m,sharing=locked true\n", fails="sharing"),
    "the root is no target": Case("FROM busybox\nRUN --mount=target=/ true\n", fails="invalid mount target"),
    "a mount needs a target": Case("FROM busybox\nRUN --mount=type=cache true\n", fails="target"),
    "a later mount covers an earlier one": Case(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/m --mount=source=d,target=/m/n ls /m /m/n > /o\n", {"d/x": ""},
        tree=o("/m:", "n", "", "/m/n:", "x"),
    ),
    # what changes
    "created, changed, removed": Case(
        "FROM busybox\nRUN mkdir -p /d/e && echo 1 > /d/e/f && chmod 600 /d/e/f && chown 3:4 /d && ln -s e /d/l && mkfifo /d/p && ln /d/e/f /d/h\n"
        "RUN rm /d/p && echo 2 >> /d/e/f && mv /d/e /d/g\n",
        tree={"d": "d 755 3:4", "d/g": DIR, "d/g/f": "f 600 0:0 1\n2\n", "d/h": "f 600 0:0 1\n", "d/l": "l e"},
    ),
    "a file replaced by a directory, and back": Case(
        "FROM busybox\nRUN echo 1 > /a; mkdir /b; echo 1 > /b/c\nRUN rm -r /a /b; mkdir /a; echo 2 > /a/d; echo 2 > /b\n",
        tree={"a": DIR, "a/d": "f 644 0:0 2\n", "b": "f 644 0:0 2\n"},
    ),
    "a directory of the base removed and made again": Case(
        "FROM busybox\nRUN rm -r /var && mkdir -m 750 /var && touch /var/new\n",
        tree={"var": "d 750 0:0", "var/tmp": None, "var/new": "f 644 0:0"},
    ),
    "a directory renamed over an older one": Case(
        "FROM busybox\nRUN mkdir -p /a/x /b; touch /a/x/1 /b/2\nRUN rm -r /b; mv /a /b\n",
        tree={"b": DIR, "b/x": DIR, "b/x/1": "f 644 0:0"},
    ),
    "owner and mode of a directory alone": Case(
        "FROM busybox\nRUN chmod 700 /etc; chown 7 /home 2>/dev/null; true\nRUN chown 5:6 /etc\n", tree=None
    ),
    "touched, and nothing else": Case("FROM busybox\nRUN touch /etc/passwd; chmod 644 /etc/passwd\n", tree={}),
    "made and removed": Case("FROM busybox\nRUN touch /a\nRUN rm /a\n", tree={}),
    "set-id bits, sticky, and none": Case(
        "FROM busybox\nRUN touch /a /b /c; chmod 4755 /a; chmod 2711 /b; chmod 0 /c; mkdir -m 3777 /d\n",
        tree={"a": "f 4755 0:0", "b": "f 2711 0:0", "c": "f 0 0:0", "d": "d 3777 0:0"},
    ),
    "a symlink's owner": Case(
        "FROM busybox\nRUN ln -s x /l; chown -h 5:6 /l\n", tree={"l": "l 5:6 x"}
    ),
    "a device": Case(
        "FROM busybox\nRUN mknod -m 600 /n c 1 3 \n", tree={"n": "c 600 0:0 1:3"},
    ),
    "names": Case(
        "FROM busybox\nRUN cd / && touch 'a b' \"$(printf 'n\\nl')\" \"$(printf 'x\\377')\" .h -- -d '*' '\\'\n",
        tree=dict.fromkeys(("a b", "n\nl", "x\udcff", ".h", "-d", "*", "\\"), "f 644 0:0"),
    ),
    "long names and targets": Case(
        "FROM busybox\nRUN n=$(printf '%0200d' 7); mkdir -p /$n/$n && touch /$n/$n/$n && ln -s /$n/$n/$n /l\n",
        tree={
            "0" * 199 + "7": DIR, ("0" * 199 + "7/") + "0" * 199 + "7": DIR,
            ("0" * 199 + "7/") * 2 + "0" * 199 + "7": "f 644 0:0",
            "l": "l /" + ("0" * 199 + "7/") * 2 + "0" * 199 + "7",
        },
    ),
    "a sparse file": Case(
        "FROM busybox\nRUN dd if=/dev/zero of=/s bs=1 count=1 seek=99999 2>/dev/null; printf x | dd of=/s bs=1 seek=50000 conv=notrunc 2>/dev/null\n",
        tree={"s": "f 644 0:0 " + "\0" * 50000 + "x" + "\0" * 49999},
    ),
    "hard links across layers break where one is changed": Case(
        "FROM busybox\nRUN echo 1 > /a; ln /a /b; ln /a /c\nRUN echo 2 >> /a\n",
        tree={"a": "f 644 0:0 1\n2\n", "b": "f 644 0:0 1\n", "c": "= b"},
    ),
    "VOLUME does not make what comes after vanish": Case(
        "FROM busybox\nVOLUME /v\nRUN mkdir /v; echo 1 > /v/a\nCOPY x /v/x\n", {"x": "x"},
        tree={"v": DIR, "v/a": "f 644 0:0 1\n", "v/x": "f 644 0:0 x"}, config={"Volumes": {"/v": {}}},
    ),
    "a block device is refused": Case("FROM busybox\nRUN mknod /b b 7 0\n", fails="status 1"),
    "a background process does not hold the build": Case(
        "FROM busybox\nRUN sleep 1000 & touch /a\n", tree={"a": "f 644 0:0"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_run(case: Case, check: Callable[[Case], None]) -> None:
    check(case)
