"""Values of RUN --mount."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile import mounts
from mkbuild.dockerfile.mounts import Mount
from mkbuild.errors import DockerfileError


def expand(text: str) -> str:
    return text.replace("$A", "alpha")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("target=/a", Mount(target="/a")),
        ("type=bind,source=b,target=/a", Mount(source="b", target="/a")),
        ("src=b,dst=/a", Mount(source="b", target="/a")),
        ("destination=/a", Mount(target="/a")),
        ("dst=/a,from=stage", Mount(target="/a", from_="stage")),
        ("dst=/a,rw", Mount(target="/a", readonly=False)),
        ("dst=/a,readwrite=false", Mount(target="/a", readonly=True)),
        ("dst=/a,ro=0", Mount(target="/a", readonly=False)),
        ("dst=/a,rw,readonly", Mount(target="/a", readonly=True)),
        ("TYPE=Cache,Target=/a", Mount("cache", target="/a", readonly=False)),
        ("type=cache,target=/a,ro", Mount("cache", target="/a", readonly=True)),
        (
            "type=cache,id=i,target=/a,sharing=LOCKED,mode=0755,uid=1,gid=2",
            Mount(
                "cache",
                id="i",
                target="/a",
                sharing="locked",
                mode=0o755,
                uid=1,
                gid=2,
                readonly=False,
            ),
        ),
        ("type=tmpfs,target=/a", Mount("tmpfs", target="/a", readonly=False)),
        (
            "type=tmpfs,target=/a,size=64m",
            Mount("tmpfs", target="/a", size=64 << 20, readonly=False),
        ),
        ("type=secret,id=i", Mount("secret", id="i")),
        ("type=secret,id=i,required", Mount("secret", id="i", required=True)),
        ("type=secret,id=i,required=false,env=E", Mount("secret", id="i", env="E")),
        ("type=secret,target=/t,mode=440", Mount("secret", target="/t", mode=0o440)),
        ("type=ssh", Mount("ssh")),
        ("type=ssh,required=1,id=k", Mount("ssh", required=True, id="k")),
        (
            "type=cache,target=/$A,id=$A",
            Mount("cache", target="/alpha", id="alpha", readonly=False),
        ),
        ("from=a$,target=/b", Mount(from_="a$", target="/b")),
        ('"target=/a,b"', Mount(target="/a,b")),
        ('target=/a,"source=b ""c"""', Mount(target="/a", source='b "c"')),
        ("target=/a=b", Mount(target="/a=b")),
        ("target=/a\n", Mount(target="/a")),
        ("target=/a,target=/b", Mount(target="/b")),
    ],
)
def test_parse(raw: str, expected: Mount) -> None:
    mounts.precheck(raw)
    assert mounts.parse(raw, expand) == expected


@pytest.mark.parametrize(
    ("raw", "message", "hint"),
    [
        ("", "failed to parse csv mounts", None),
        ("type=bnd,target=/a", 'unsupported mount type "bnd"', "bind"),
        ("type=volume,target=/a", 'unsupported mount type "volume"', "bind, cache"),
        ("type=cache,sharing=lock", 'unsupported sharing value "lock"', "locked"),
        ("targt=/a", "unexpected key 'targt' in 'targt=/a'", "target"),
        ("bind-propagation=shared", "unexpected key 'bind-propagation'", None),
        ("target=/a,", "invalid field '' must be a key=value pair", None),
        ("target", "invalid field 'target' must be a key=value pair", None),
        ("target=/a,ro=maybe", "invalid value for ro: maybe", "true"),
        ("required,type=secret,id=i", "unexpected key 'required' for mount type 'bind'", "type"),
        ("type=bind,required=1", "unexpected key 'required' for mount type 'bind'", None),
        ("size=1,type=tmpfs", "unexpected key 'size' for mount type 'bind'", "type"),
        ("type=tmpfs,size=big", "invalid value for size: big", "64m"),
        ("type=cache,mode=888", "invalid value 888 for mode", "octal"),
        ("type=cache,mode=0o755", "invalid value 0o755 for mode", None),
        ("type=cache,uid=-1", "invalid value -1 for uid", None),
        ("type=cache,gid=4294967296", "invalid value 4294967296 for gid", None),
        ("type=cache,uid=", "invalid value  for uid", None),
        ("type=bind,mode=1", 'mode not allowed for "bind" type mounts', None),
        ("type=tmpfs,uid=1", 'uid not allowed for "tmpfs" type mounts', None),
        ("gid=1", 'gid not allowed for "bind" type mounts', None),
        ("type=secret", "one of source, target required", "id"),
        ("type=secret,source=a,id=b", "both source and id can't be set", None),
        ("type=secret,id=a,from=b", "secret mount should not have a from", None),
        ("type=secret,id=a,sharing=shared", "secret mount should not define sharing", None),
        ("type=ssh,sharing=shared", "invalid cache sharing set for ssh mount", None),
        ('a"b=c', 'bare " in non-quoted field', None),
        ('"a', 'extraneous or missing "', None),
        ('"a"b', 'extraneous or missing "', None),
    ],
)
def test_refused(raw: str, message: str, hint: str | None) -> None:
    with pytest.raises(DockerfileError, match=re.escape(message)) as caught:
        mounts.parse(raw, expand)
    assert caught.value.hint
    assert (hint or "") in caught.value.hint


def test_variable_in_from_is_refused_before_expansion() -> None:
    with pytest.raises(DockerfileError, match="doesn't support variable expansion"):
        mounts.precheck("target=/a,FROM=$A")


@given(st.text('=,"$A\nabcdefghijklmnopqrstuvwxyz0123456789-', max_size=40))
def test_any_text_is_read_or_refused(raw: str) -> None:
    try:
        mount = mounts.parse(raw, expand)
    except DockerfileError:
        return
    assert mount.type in mounts.TYPES


@pytest.mark.parametrize(
    ("raw", "target", "expected"),
    [
        ("type=secret,id=a,target=/x/b", "/x/b", "a"),
        ("type=secret,source=a,target=/x/b", "/x/b", "a"),
        ("type=secret,target=/x/b", "/x/b", "b"),
        ("type=ssh", "", "ssh:default"),
        ("type=ssh,id=a", "", "ssh:a"),
    ],
)
def test_credentials_have_ids(raw: str, target: str, expected: str) -> None:
    assert mounts.parse(raw, expand).credential(target) == expected
