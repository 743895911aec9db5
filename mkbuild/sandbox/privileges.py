"""What the command of a RUN may do: capabilities, filter, ids, limits. Child side."""

import os

from mkbuild.sandbox import syscalls

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from mkbuild.sandbox.wire import Wire

# chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot
# mknod audit_write setfcap: docker's default
CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
_LAST_CAPABILITY = 63
_SETPCAP = 1 << 8
_RLIMIT_CORE, _RLIMIT_NOFILE = 4, 7
_OPEN_FILES = (1024, 524288)


def limit(further: "tuple[tuple[int, int], ...]") -> None:
    """Set the limits of a RUN whatever the caller's are, as far as those allow.

    ``further``: RLIMIT_* to value, of limits that were asked for.
    """
    _, hard = syscalls.get_limit(_RLIMIT_NOFILE)
    most = min(hard, _OPEN_FILES[1])
    syscalls.set_limit(_RLIMIT_NOFILE, min(_OPEN_FILES[0], most), most)
    # a core file would become part of the layer
    syscalls.set_limit(_RLIMIT_CORE, 0, 0)
    for resource, value in further:
        _, hard = syscalls.get_limit(resource)
        least = min(value, hard)
        syscalls.set_limit(resource, least, least)
    os.umask(0o022)


def install_filter(spec: "Wire") -> int:
    """Install the filter, while that is still allowed; the listener's descriptor, or 0."""
    if spec["insecure"] or not spec["filter"]:
        return 0
    return syscalls.install_filter(spec["filter"], listener=spec["one_id"])


def become(spec: "Wire") -> None:
    """Take the ids of the command, and give up every capability but docker's."""
    keep = ~0 if spec["insecure"] else CAPABILITIES
    # in chroot mode an outer container may have withheld the right to give rights up
    if syscalls.permitted_capabilities() & _SETPCAP:
        for capability in range(_LAST_CAPABILITY + 1):
            if not keep >> capability & 1 and not syscalls.drop_bounding(capability):
                break
    if spec["one_id"]:
        syscalls.set_capabilities(syscalls.permitted_capabilities() & keep)
        return
    os.setgroups(spec["groups"])
    os.setresgid(spec["gid"], spec["gid"], spec["gid"])
    os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    permitted = 0 if spec["uid"] else syscalls.permitted_capabilities() & keep
    syscalls.set_capabilities(permitted)
