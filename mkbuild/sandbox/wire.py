"""A RUN as plain values, marshalled from the build to the child that carries it out.

The child may not import dataclasses (20 ms): these are dictionaries, and the types are for mypy.
"""

import marshal
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from mkbuild.sandbox.spec import MountSpec, RunSpec


class WireMount(TypedDict):
    """A :class:`MountSpec`."""

    type: str
    target: str
    source: str
    lowers: tuple[str, ...]
    subpath: str
    writable: bool
    data: bytes
    uid: int
    gid: int
    mode: int
    size: int


class Wire(TypedDict):
    """A :class:`RunSpec` and what the sandbox adds: the filter, and what the machine is like.

    ``files`` are mounted, never part of the result: /etc/hosts, /etc/resolv.conf. ``terminal``: a
    socket that wants the other end of the command's terminal; -1 where it is to have none.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    lowers: tuple[str, ...]
    upper: str
    work: str
    tree: str
    hostname: str
    network: str
    insecure: bool
    mounts: list[WireMount]
    files: dict[str, bytes]
    stdin: bytes
    cgroups: list[tuple[str, tuple[tuple[str, str], ...]]]
    rlimits: tuple[tuple[int, int], ...]
    filter: bytes
    userns: bool
    one_id: bool
    terminal: int


def _mount(mount: "MountSpec") -> WireMount:
    return {
        "type": mount.type,
        "target": mount.target,
        "source": mount.source,
        "lowers": mount.lowers,
        "subpath": mount.subpath,
        "writable": mount.writable,
        "data": mount.data,
        "uid": mount.uid,
        "gid": mount.gid,
        "mode": mount.mode,
        "size": mount.size,
    }


def pack(spec: "RunSpec", *, program: bytes, userns: bool, one_id: bool) -> bytes:
    """Marshal a spec; both ends are the same interpreter, and no other reads it."""
    files = (("/etc/hosts", spec.hosts), ("/etc/resolv.conf", spec.resolv))
    wire: Wire = {
        "argv": spec.argv,
        "env": dict(spec.env),
        "cwd": spec.cwd,
        "uid": spec.uid,
        "gid": spec.gid,
        "groups": spec.groups,
        "lowers": spec.lowers,
        "upper": spec.upper,
        "work": spec.work,
        "tree": spec.tree,
        "hostname": spec.hostname,
        "network": spec.network,
        "insecure": spec.insecure,
        "mounts": [_mount(mount) for mount in spec.mounts],
        "files": {path: data for path, data in files if data},
        "stdin": spec.stdin,
        "cgroups": [(group.parent, group.files) for group in spec.cgroups],
        "rlimits": spec.rlimits,
        "filter": program,
        "userns": userns,
        "one_id": one_id,
        "terminal": -1,
    }
    return marshal.dumps(dict(wire))
