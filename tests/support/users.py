"""Somebody else than root: a command prefix that becomes an ordinary user, in private.

In a mount namespace of its own: the user's account and id ranges are laid over the machine's files,
and what root keeps to itself (its home with the interpreter in it) is shown to him.
"""

import os
import shutil
import sys
from pathlib import Path

UID = 54321
_BECOME = """
set -e
mount --make-rprivate /
for file in passwd group subuid subgid; do mount --bind "$1/$file" "/etc/$file"; done
python=$2
if [ -n "$python" ]; then
    mkdir -p "$1/python"
    mount --bind "$python" "$1/python"
    mount -t tmpfs -o mode=755 tmpfs "$3"
    mkdir -p "$python"
    mount --move "$1/python" "$python"
fi
shift 3
exec setpriv --reuid {uid} --regid {uid} --clear-groups --inh-caps=-all "$@"
"""


def become(place: Path, *, ranges: bool) -> tuple[str, ...]:
    """Return the prefix; ``place`` is a directory for its files. With ``ranges``: has subuids."""
    shutil.copy("/etc/group", place / "group")
    account = f"mkuser:x:{UID}:{UID}::{place}:/bin/sh\n"
    (place / "passwd").write_text(Path("/etc/passwd").read_text() + account)
    for name in ("subuid", "subgid"):
        (place / name).write_text("mkuser:700000:65536\n" if ranges else "")
        (place / name).chmod(0o644)
    hidden = _hidden(Path(sys.base_prefix).resolve())
    python = sys.base_prefix if hidden else ""
    script = _BECOME.format(uid=UID)
    return ("unshare", "-m", "sh", "-c", script, "sh", str(place), python, hidden)


def _hidden(path: Path) -> str:
    """Return the topmost directory on the way to a path that only root may pass; or nothing."""
    for parent in [*reversed(path.parents), path]:
        if not parent.stat().st_mode & 0o001:
            return str(parent)
    return ""


def own(place: Path) -> None:
    """Give a directory and all that is in it to the user."""
    for directory, names, files in os.walk(place):
        for name in (*names, *files):
            os.chown(Path(directory, name), UID, UID, follow_symlinks=False)
    os.chown(place, UID, UID)
    for parent in place.parents:
        if parent.is_relative_to("/tmp") and parent != Path("/tmp"):  # noqa: S108 -- pytest's
            parent.chmod(parent.stat().st_mode | 0o011)
