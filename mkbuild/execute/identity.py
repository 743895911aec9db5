"""Users and groups of a state, from its /etc/passwd and /etc/group.

Two readings, since the reference has two: an owner (``--chown``, WORKDIR under USER) whose name is
not known is root, silently; a RUN whose user is not known fails.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from mkbuild.errors import StepError
from mkbuild.execute.place import Ids
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.frozen import frozen

MAX_ID = (1 << 31) - 1
"""The largest id that the reference accepts."""

Read = Callable[[Located], bytes]
"""Reads a small file of a state."""


@frozen
class Account:
    """One line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


@frozen
class Group:
    """One line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


@frozen
class RunUser:
    """Who runs a command: ids, supplementary groups (the primary one first), home directory."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def owner(index: Index, text: str, *, link: bool = False, read: Read | None = None) -> Ids:
    """Resolve ``user``, ``user:group`` or ids, as --chown and WORKDIR do; root where not known.

    Without a group, a name has its account's group and an id the group of the same number.
    ``link``: there is no state to look names up in; StepError. ``read``: as for :func:`run_user`.
    """
    user, colon, group = text.partition(":")
    uid = _number(user)
    names = [name for name, number in ((user, uid),) if number is None]
    gid = _number(group) if colon else None
    if colon and gid is None:
        names.append(group)
    if link and names:
        raise StepError(
            f"--link has no /etc/passwd to look {names[0]!r} up in",
            hint="use numeric ids with --link, or drop --link",
        )
    if uid is None:
        account = _first(_accounts(index, read), lambda found: found.name == user)
        uid, own = (account.uid, account.gid) if account else (0, 0)
    else:
        own = uid
    if colon and gid is None:
        found = _first(_groups(index, read), lambda entry: entry.name == group)
        gid = found.gid if found else None
    return uid, own if gid is None else gid


def run_user(index: Index, text: str, read: Read | None = None) -> RunUser:
    """Resolve USER for a RUN; empty is root. Raises StepError where a name is not known.

    ``read``: reads a file that the state does not embed, since /etc/passwd is a symlink to it.
    """
    user, colon, group = (text or "0").partition(":")
    uid, gid = _number(user), _number(group) if colon else None
    accounts = list(_accounts(index, read))
    if uid is not None and gid is not None:
        return RunUser(uid, gid, (gid,), _home(accounts, uid))
    account = _first(
        accounts, lambda found: found.name == user if uid is None else found.uid == uid
    )
    if account is None and uid is None:
        raise _unknown("user", user, [found.name for found in accounts], "passwd")
    uid, own = (account.uid, account.gid) if account else (uid or 0, 0)
    extra: tuple[int, ...] = ()
    groups = list(_groups(index, read))
    if colon and group:
        if gid is None:
            found = _first(groups, lambda entry: entry.name == group)
            if found is None:
                raise _unknown("group", group, [entry.name for entry in groups], "group")
            gid = found.gid
    else:
        gid = own
        if account:
            extra = tuple(entry.gid for entry in groups if account.name in entry.members)
    return RunUser(uid, gid, (gid, *(e for e in extra if e != gid)), _home(accounts, uid))


def _home(accounts: list[Account], uid: int) -> str:
    account = _first(accounts, lambda found: found.uid == uid)
    return account.home if account and account.home else "/"


def _number(text: str) -> int | None:
    """Read an id; a name is None. Raises StepError where it is out of range."""
    if text == "root":
        return 0
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        return None
    number = int(text)
    if not 0 <= number <= MAX_ID:
        raise StepError(f"user and group ids are between 0 and {MAX_ID}, not {text}")
    return number


_T = TypeVar("_T")


def _first(found: "Iterator[_T] | list[_T]", wanted: Callable[[_T], bool]) -> _T | None:
    return next((entry for entry in found if wanted(entry)), None)


def _accounts(index: Index, read: Read | None) -> Iterator[Account]:
    for line in _lines(index, "etc/passwd", read):
        name, _, uid, gid, _, home = [*line.split(":"), *[""] * 6][:6]
        yield Account(name, _lenient(uid), _lenient(gid), home)


def _groups(index: Index, read: Read | None) -> Iterator[Group]:
    for line in _lines(index, "etc/group", read):
        if not line.startswith("#"):
            name, _, gid, members = [*line.split(":"), *[""] * 4][:4]
            yield Group(name, _lenient(gid), tuple(members.split(",")))


def _lenient(text: str) -> int:
    """Read an id of a file that somebody else wrote: garbage is 0, as everywhere."""
    return int(text) if text.isascii() and text.isdecimal() else 0


def _lines(index: Index, path: str, read: Read | None) -> Iterator[str]:
    data = index.embedded(path)
    if data is None:
        located = index.get(index.resolve(path))
        if located is None or located.entry.type != toc.FILE:
            return
        data = index.embedded(located.entry.path)
        if data is None:
            if read is None:
                raise StepError(f"/{path} is kept in /{located.entry.path}, which is not at hand")
            data = read(located)
    text = data.decode("utf-8", "surrogateescape")
    yield from (line.strip() for line in text.split("\n") if line.strip())


def _unknown(kind: str, name: str, known: list[str], file: str) -> StepError:
    from mkbuild.dockerfile import suggest

    message = f"unable to find {kind} {name}: no matching entry in /etc/{file}"
    return StepError(message, hint=suggest.hint(name, known))
