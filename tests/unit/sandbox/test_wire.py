import marshal
from dataclasses import fields

from mkbuild.sandbox import wire
from mkbuild.sandbox.spec import Group, MountSpec, RunSpec


def test_every_field_travels() -> None:
    mount = MountSpec("secret", "/s", data=b"\0x", mode=0o400, uid=5)
    group = Group("/parent", (("pids.max", "3"),))
    spec = RunSpec(
        ("a", "\udcff"), {"K": "\udcfe"}, hosts=b"h", stdin=b"i", mounts=(mount,), cgroups=(group,)
    )
    packed = wire.pack(spec, program=b"p", userns=True, one_id=False)
    got = marshal.loads(packed)  # noqa: S302 - our own
    assert got["files"] == {"/etc/hosts": b"h"}
    assert (got["filter"], got["userns"], got["one_id"]) == (b"p", True, False)
    assert got["cgroups"] == [(group.parent, group.files)]
    for field in fields(RunSpec):
        if field.name not in ("cgroups", "hosts", "resolv", "mounts", "held"):
            assert got[field.name] == getattr(spec, field.name)
    assert got["mounts"] == [{f.name: getattr(mount, f.name) for f in fields(MountSpec)}]
