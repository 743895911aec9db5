"""What stands behind flags."""

from pathlib import Path

import pytest

from mkbuild.buildfile.target import (
    ContextSource,
    DirectoryContext,
    GitContext,
    ImageContext,
    LayoutContext,
    Output,
    Secret,
    Ssh,
    TargetContext,
)
from mkbuild.cli import values
from mkbuild.errors import UsageError

BASE = Path("/work")


def test_pairs() -> None:
    assert values.pairs("--var", ["A=1", "B=x=y", "A=2", "C="]) == {"A": "2", "B": "x=y", "C": ""}
    for text in ("A", "=1"):
        with pytest.raises(UsageError, match="NAME=VALUE is expected"):
            values.pair("--var", text)


def test_build_arguments_pass_the_environment() -> None:
    env = {"HERE": "yes"}
    given = ["A=b=c", "HERE", "GONE", "E="]
    assert values.arguments("--build-arg", given, env) == {"A": "b=c", "HERE": "yes", "E": ""}
    with pytest.raises(UsageError):
        values.arguments("--build-arg", ["=x"], env)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("id=a,src=f", Secret("a", None, "/work/f")),
        ("id=a,source=/etc/f", Secret("a", None, "/etc/f")),
        ("id=a,env=TOKEN", Secret("a", "TOKEN", None)),
        ("type=env,id=TOKEN", Secret("TOKEN", "TOKEN", None)),
        ("type=env,id=a,src=TOKEN", Secret("a", "TOKEN", None)),
        ("type=file,id=a,src=f", Secret("a", None, "/work/f")),
        ("id=a", Secret("a")),
        ('id=a,"src=x,y"', Secret("a", None, "/work/x,y")),
    ],
)
def test_secrets(text: str, secret: Secret) -> None:
    assert values.secret(text, BASE) == secret


@pytest.mark.parametrize("text", ["", "src=x", "id=", "id=a,what=b", "id=a,type=tape"])
def test_bad_secrets(text: str) -> None:
    with pytest.raises(UsageError):
        values.secret(text, BASE)


def test_ssh() -> None:
    assert values.ssh("default", BASE) == Ssh("default")
    assert values.ssh("git=a,/b", BASE) == Ssh("git", ("/work/a", "/b"))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("dir", DirectoryContext("/work/dir")),
        ("docker-image://alpine:3.20", ImageContext("alpine:3.20")),
        ("oci-layout://l:v1", LayoutContext("/work/l", "v1")),
        ("oci-layout:///a:b/c", LayoutContext("/a:b/c")),
        ("oci-layout://l@sha256:" + "ab" * 32, LayoutContext("/work/l", "", "sha256:" + "ab" * 32)),
        ("target:api", TargetContext("api")),
        (
            "https://example.com/r.git#main:sub",
            GitContext("https://example.com/r.git", "main", "sub"),
        ),
    ],
)
def test_contexts(text: str, source: ContextSource) -> None:
    assert values.context(f"name={text}", BASE) == ("name", source)


@pytest.mark.parametrize("text", ["name=", "name", "name=ftp://x", "name=https://x/y"])
def test_bad_contexts(text: str) -> None:
    with pytest.raises(UsageError, match="--build-context name"):
        values.context(text, BASE)


def test_the_main_context() -> None:
    assert values.main_context("./a/..", BASE) == "/work"
    with pytest.raises(UsageError, match="directory or a git URL"):
        values.main_context("target:x", BASE)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("type=oci,dest=o,tar=false", Output("oci", "/work/o", tar=False)),
        ("type=docker,dest=/t.tar", Output("docker", "/t.tar")),
        ("out", Output("local", "/work/out")),
        ("type=tar,dest=x.tar", Output("tar", "/work/x.tar")),
        ("-", Output("tar", "/dev/stdout")),
        ("type=docker,dest=-", Output("docker", "/dev/stdout")),
    ],
)
def test_outputs(text: str, output: Output) -> None:
    assert values.output(text, BASE) == output


@pytest.mark.parametrize(
    "text",
    [
        "type=zip,dest=x",
        "type=oci",
        "type=oci,dest=x,tar=maybe",
        "type=oci,x",
        "type=local,dest=-",
        "type=oci,dest=-,tar=false",
    ],
)
def test_bad_outputs(text: str) -> None:
    with pytest.raises(UsageError):
        values.output(text, BASE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("336h", 1209600), ("14d", 1209600), ("1h30m", 5400), ("0", 0), ("90", 90), ("1.5m", 90)],
)
def test_durations(text: str, seconds: int) -> None:
    assert values.duration("--local-cache-ttl", text) == seconds


@pytest.mark.parametrize("text", ["", "h", "3x", "1h30", "-5s", "1..5s"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(UsageError, match="a duration"):
        values.duration("--local-cache-ttl", text)


def test_rights() -> None:
    known = ("security.insecure", "network.host")
    assert values.rights(known) == known
    with pytest.raises(UsageError, match="no such right"):
        values.rights(["security.insecure", "everything"])


def test_times() -> None:
    assert values.timestamps("epoch") == "epoch"
    assert values.timestamps("preserve") == "preserve"
    assert values.timestamps("12") == 12
    with pytest.raises(UsageError):
        values.timestamps("now")


@pytest.mark.parametrize("text", ["-5", "²", "253402300800", "9" * 5000])
def test_times_that_no_image_can_say(text: str) -> None:
    with pytest.raises(UsageError, match="since 1970"):
        values.timestamps(text)


def test_hosts_and_headers() -> None:
    assert values.add_host("a:1.2.3.4") == ("a", "1.2.3.4")
    assert values.add_host("a=[::1]") == ("a", "::1")
    assert values.add_host("a:::1") == ("a", "::1")
    assert values.header("X-Token: a:b") == ("X-Token", "a:b")
