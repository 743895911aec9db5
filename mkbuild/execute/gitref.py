"""Git repositories as sources: how ADD and contexts name them.

Written as the reference reads them: a URL whose path ends in ``.git``, ``git://``, ``ssh://`` or
``user@host:path``; a fragment ``#ref:subdir`` or a query (``?ref=…&subdir=…``).
"""

import re
import urllib.parse
from dataclasses import replace

from mkbuild.errors import StepError
from mkbuild.execute.select import normalize
from mkbuild.frozen import frozen

_PROTOCOL = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"([a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:[^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_REF = re.compile(r"[^-+:^~?*\[\\\s\x00-\x1f\x7f][^:^~?*\[\\\s\x00-\x1f\x7f]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TRUE, _FALSE = {"", "1", "t", "true"}, {"0", "f", "false"}


@frozen
class GitRef:
    """A repository, and what of it is meant.

    ``ref``: branch, tag or commit, empty for the default branch. ``subdir``: clean and relative.
    ``checksum``: how the commit's (or an annotated tag's) hash must begin.
    """

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True


def parse(text: str) -> GitRef | None:
    """Read a source; None where it is no git repository. Raises StepError where it is a wrong one.

    ``github.com/…`` without a scheme is a path: that spelling is for contexts only, and deprecated.
    """
    protocol = _PROTOCOL.match(text)
    if protocol is not None:
        scheme = protocol[1].lower()
        parts = urllib.parse.urlsplit(text)
        if scheme not in {"http", "https", "ssh", "git"}:
            return None
        if scheme in {"http", "https"} and not parts.path.endswith(".git"):
            return None
        remote = urllib.parse.urlunsplit(parts._replace(query="", fragment=""))
        return _described(remote, urllib.parse.unquote(parts.fragment), parts.query)
    scp = _SCP.fullmatch(text)
    if scp is None:
        return None
    return _described(scp[1], scp[3] or "", scp[2] or "")


def _described(remote: str, fragment: str, query: str) -> GitRef:
    if remote.startswith("-"):
        raise StepError(f"{remote!r} is no git repository")
    ref, _, subdir = fragment.partition(":")
    found = GitRef(remote, ref, normalize(subdir))
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        found = _with(found, name, value)
    if found.ref and not is_ref(found.ref):
        raise StepError(f"{found.ref!r} cannot be the name of a branch, tag or commit")
    return found


def is_commit(name: str) -> bool:
    """Whether a name is the whole hash of a commit, which means the same for ever."""
    return _COMMIT.fullmatch(name) is not None


def is_ref(name: str) -> bool:
    """Whether git may be given a name: no option, no refspec, no revision expression."""
    return _REF.fullmatch(name) is not None and ".." not in name


def _with(found: GitRef, name: str, value: str) -> GitRef:
    match name:
        case "ref" | "tag" | "branch":
            prefix = {"ref": "", "tag": "refs/tags/", "branch": "refs/heads/"}[name]
            ref = value if value.startswith(prefix) else prefix + value
            found = replace(found, ref=_agreed(found.ref, ref))
        case "subdir":
            found = replace(found, subdir=_agreed(found.subdir, normalize(value)))
        case "checksum" | "commit":
            found = replace(found, checksum=value)
        case "keep-git-dir":
            found = replace(found, keep_git_dir=_boolean(name, value))
        case "submodules":
            found = replace(found, submodules=_boolean(name, value))
        case "mtime" | "fetch-by-commit":
            # Files get our own times, and how a commit is fetched is our own business.
            pass
        case _:
            raise StepError(f"unexpected query {name!r} in a git URL")
    return found


def _agreed(old: str, new: str) -> str:
    if not new or (old and old != new):
        raise StepError(f"a git URL that says {old!r} and {new!r}")
    return new


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise StepError(f"invalid {name} value in a git URL: {value!r}")
    return value.lower() in _TRUE
