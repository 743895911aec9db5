import marshal
from dataclasses import fields

from mkbuild.sandbox import wire
from mkbuild.sandbox.spec import MountSpec, RunSpec


def test_every_field_travels() -> None:
    mount = MountSpec("secret", "/s", data=b"\0x", mode=0o400, uid=5)
    spec = RunSpec(("a", "\udcff"), {"K": "\udcfe"}, hosts=b"h", stdin=b"i", mounts=(mount,))
    packed = wire.pack(spec, program=b"p", userns=True, one_id=False)
    got = marshal.loads(packed)  # noqa: S302 - our own
    assert got["files"] == {"/etc/hosts": b"h"}
    assert (got["filter"], got["userns"], got["one_id"]) == (b"p", True, False)
    for field in fields(RunSpec):
        if field.name not in ("hosts", "resolv", "mounts"):
            assert got[field.name] == getattr(spec, field.name)
    assert got["mounts"] == [{f.name: getattr(mount, f.name) for f in fields(MountSpec)}]
