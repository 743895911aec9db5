"""Compiled plans: what a command line came to when it was last given, and what that rested on.

A build that finds nothing to do spends most of its time on reading build files and Dockerfiles,
planning and computing keys, to end where the build before it ended. So after a build its result
is written down together with all that it was made from (:mod:`mkbuild.engine.evidence`): the same
command line in the same directory then only asks whether each file, directory and variable is as
it was. In doubt the answer is no, and the build goes its usual way.

Files are compared by inode, size, mode, mtime and ctime, never read: no edit can keep a ctime.
Directories are compared likewise; whatever comes or goes in one changes its times.

Where a plan does not hold, what it says of each context may: a build that follows walks only those
contexts in which something changed, and takes from the others the parts of keys that they gave.
Where no build file changed, it does not read them again either.

Nothing heavy is imported here: this is what a no-op runs.
"""

import hashlib
import marshal
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from mkbuild import __version__
from mkbuild.digest import Digest
from mkbuild.frozen import frozen
from mkbuild.store.place import default_place

DOMAIN = "mkbuild.compiled.v5"

VOLATILE = frozenset(
    {
        *("_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "WINDOWID", "XDG_SESSION_ID"),
        *("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "STY", "TMUX", "TMUX_PANE"),
    }
)
"""Variables that differ from one terminal to the next, and that no build looks at."""

_LOG_SIZE = 1 << 18
"""Bytes: some 8,000 runs that did nothing are logged beside a record, and no more."""

Identity = tuple[int, ...]

Look = Callable[[str], os.stat_result]

identity = attrgetter("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")
"""What a file or directory is known by; the owner is not in it, whose change a ctime tells."""


@frozen
class Asked:
    """A command line: its plan's name, how its reports are shown, and what it last came to."""

    name: str
    mode: str
    verbose: bool
    last: "Compiled | None" = None


class Walk:
    """A context that was walked: what the walk rested on, and what came of it.

    ``directory``, ``ignored``: where it is, and the text of its ignore file. What was found in it
    is there by path, the directory itself (symlinks followed) first. ``parts``: digests of what
    steps select of it, by the steps' own signatures.
    """

    __slots__ = ("_identities", "_paths", "_root", "_stands", "directory", "ignored", "parts")

    def __init__(  # noqa: PLR0913, PLR0917 -- a row
        self,
        directory: str,
        ignored: str,
        root: Identity,
        paths: str,
        identities: bytes,
        parts: Mapping[str, Digest],
    ) -> None:
        """Take a row: to unpack its thousands of values takes longer than to compare them."""
        self.directory = directory
        self.ignored = ignored
        self.parts = parts
        self._root = root
        self._paths = paths
        self._identities = identities
        self._stands: bool | None = None

    @classmethod
    def made(
        cls,
        directory: str,
        ignored: str,
        found: Mapping[str, Identity],
        parts: Mapping[str, Digest],
    ) -> "Walk":
        """Make one of what a walk found, by its paths."""
        paths, identities = "\0".join(found), _packed(found.values())
        return cls(directory, ignored, next(iter(found.values())), paths, identities, parts)

    def found(self) -> dict[str, Identity]:
        """Return what was found, by its paths."""
        identities = marshal.loads(self._identities)  # noqa: S302 -- as in read
        return dict(zip(self._paths.split("\0"), identities, strict=True))

    def stands(self) -> bool:
        """Whether all of the context is as it was; looked at once."""
        if self._stands is None:
            try:
                self._stands = identity(os.stat(self.directory)) == self._root and (  # noqa: PTH116
                    _packed(map(identity, map(os.lstat, self._paths.split("\0"))))
                    == self._identities
                )
            except OSError:
                self._stands = False
        return self._stands

    def row(self) -> tuple[Any, ...]:
        """Return what it is made of."""
        parts = dict(self.parts)
        return self.directory, self.ignored, self._root, self._paths, self._identities, parts


@frozen
class Compiled:
    """A result and what it rests on.

    ``since``, ``until``: when it counts, in seconds since 1970. ``hidden``: variables of which
    only the presence matters. ``git``: a directory and the facts asked of its checkout.
    ``followed``: identities by path, of what symlinks lead to; None for what was not there.
    ``walks``: the contexts. ``blobs``: digests that the result consists of. ``tags``: where it
    was pushed (see mkbuild.registry.standing). ``events``: names of classes in mkbuild.events, and
    what they are made of. ``record``: name of the run's record (see mkbuild.engine.log).
    ``loaded``: what reading the build files came to (see mkbuild.engine.evidence).
    """

    since: float
    until: float
    environment: str
    hidden: Mapping[str, bool]
    git: tuple[str, Mapping[str, str | None]]
    followed: tuple[tuple[str, ...], tuple[Identity | None, ...]]
    walks: tuple[Walk, ...]
    blobs: tuple[Digest, ...]
    tags: tuple[tuple[str, str, str, str], ...]
    mode: str
    verbose: bool
    events: tuple[tuple[str, tuple[Any, ...]], ...]
    record: str
    loaded: bytes

    def loads_alike(self, env: Mapping[str, str]) -> bool:
        """Whether every file but those of contexts, and the environment, is as it was."""
        return (
            self.since <= time.time() < self.until
            and all((name in env) == there for name, there in self.hidden.items())
            and self.environment == environment_of(env, self.hidden)
            and _identities(os.stat, *self.followed)
            and self._same_git()
        )

    def holds(self, env: Mapping[str, str], storage: str) -> bool:
        """Whether all is as it was; marks the result's blobs as used."""
        if not self.loads_alike(env):
            return False
        if not self.tags:
            return self._stands_here(storage)
        from mkbuild.registry.standing import Asking, Tag

        # What takes longest here and there is done side by side.
        with Asking([Tag(*tag) for tag in self.tags]) as asking:
            return self._stands_here(storage) and _is_published(storage) and asking.stand()

    def _stands_here(self, storage: str) -> bool:
        return all(walk.stands() for walk in self.walks) and self._blobs_there(storage)

    def _same_git(self) -> bool:
        directory, facts = self.git
        if not facts:
            return True
        from pathlib import Path

        from mkbuild.engine.files import Git

        ask = Git(Path(directory))
        return all(ask(fact) == answer for fact, answer in facts.items())

    def _blobs_there(self, storage: str) -> bool:
        from pathlib import Path

        from mkbuild.store.files import FileStore

        store = FileStore(Path(storage))
        return all(store.has(digest) for digest in self.blobs)

    def report(self, started: float) -> None:
        """Report what the build would report; ``started`` by time.monotonic."""
        import sys

        from mkbuild import events
        from mkbuild.progress.choose import Streams, choose

        streams = Streams(sys.stdout, sys.stderr)
        reporter = choose(self.mode, streams, os.environ, time.time, verbose=self.verbose)  # type: ignore[arg-type]
        for name, values in self.events:
            if name == "RunFinished":
                ok, _, *counts = values
                reporter.emit(events.RunFinished(ok, time.monotonic() - started, *counts))
            else:
                reporter.emit(getattr(events, name)(*values))
        reporter.close()


def replay(args: Sequence[str], env: Mapping[str, str]) -> "int | Compiled | None":
    """Report a command line's last result, where it still holds, and return the exit status.

    Else return what is known of it: the last result that does not hold, or None.
    """
    began, started = time.time(), time.monotonic()
    name = name_of(args)
    if name is None:
        return None
    storage = _storage(args, env)
    found = read(f"{storage}/compiled/{name}")
    if found is None or not found.holds(env, storage):
        return found
    found.report(started)
    _log(f"{storage}/runs/{found.record}.again", began, time.monotonic() - started)
    return 0


def _log(path: str, began: float, seconds: float) -> None:
    """Add a run to the log: a line beside the record of the run whose result still stands."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < _LOG_SIZE:
                os.write(file, f"{began:.3f} {os.getpid()} {seconds:.3f}\n".encode())
        finally:
            os.close(file)
    except OSError:
        return  # where nothing can be written, the result stands all the same


def name_of(args: Sequence[str]) -> str | None:
    """Name the plan of a command line in the current directory; None where there is no such."""
    try:
        directory = os.getcwd()  # noqa: PTH109 -- pathlib costs a no-op 10 ms
        program = identity(os.stat(os.path.dirname(__file__)))  # noqa: PTH116, PTH120 -- likewise
    except FileNotFoundError:
        return None
    machine = os.uname()
    where = (directory, os.geteuid(), machine.nodename, machine.machine)
    value = (DOMAIN, __version__, program, where, tuple(args))
    return hashlib.sha256(marshal.dumps(value, 2)).hexdigest()


def environment_of(env: Mapping[str, str], hidden: Iterable[str]) -> str:
    """Digest what the environment says, but for what is volatile or hidden."""
    left_out = VOLATILE.union(hidden)
    items = sorted(item for item in env.items() if item[0] not in left_out)
    return hashlib.sha256(marshal.dumps(items, 2)).hexdigest()


def read(path: str) -> Compiled | None:
    """Read a compiled plan; None where there is none, or it is damaged, or somebody else's."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- pathlib costs a no-op 10 ms
            # What is loaded is believed: nobody else may have written it.
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            digest, data = file.read(32), file.read()
    except OSError:
        return None
    if hashlib.sha256(data).digest() != digest:
        return None
    values = marshal.loads(data)  # noqa: S302 -- ours, in a directory of the user's own
    return Compiled(**values | {"walks": tuple(Walk(*row) for row in values["walks"])})


def write(plan: Compiled, path: str) -> None:
    """Write a compiled plan in one piece; raises OSError."""
    values = {item.name: getattr(plan, item.name) for item in fields(plan)}
    values["walks"] = tuple(walk.row() for walk in plan.walks)
    data = marshal.dumps(values, 2)
    partial = f"{path}.{os.getpid()}"
    with open(partial, "wb") as file:  # noqa: PTH123 -- likewise
        file.write(hashlib.sha256(data).digest())
        file.write(data)
    os.replace(partial, path)  # noqa: PTH105 -- likewise


def _storage(args: Sequence[str], env: Mapping[str, str]) -> str:
    """Guess where the storage is: a wrong guess finds nothing, since nothing was written there."""
    place = env.get("MKBUILD_STORAGE") or default_place(env)
    for at, word in enumerate(args):
        if word.startswith("--storage="):
            place = word.partition("=")[2]
        elif word == "--storage":
            place = args[at + 1] if at + 1 < len(args) else ""
    return os.path.join(os.getcwd(), place)  # noqa: PTH109, PTH118 -- pathlib costs 10 ms


def _identities(ask: Look, paths: Sequence[str], expected: Sequence[Identity | None]) -> bool:
    """Whether paths have these identities; loops in C wherever everything is there."""
    try:
        if None not in expected:
            return all(map(tuple.__eq__, map(identity, map(ask, paths)), expected))
        return all(
            _identity_of(ask, path) == known for path, known in zip(paths, expected, strict=True)
        )
    except OSError:
        return False


def _is_published(storage: str) -> bool:
    """Whether no publication was interrupted, which would have to be finished first."""
    try:
        return not os.listdir(f"{storage}/publications")  # noqa: PTH208 -- pathlib costs 10 ms
    except FileNotFoundError:
        return True


def _packed(identities: Iterable[Identity]) -> bytes:
    return marshal.dumps(tuple(identities), 2)


def _identity_of(ask: Look, path: str) -> Identity | None:
    """Return what a path is known by now; None where nothing is there. Raises OSError."""
    try:
        return identity(ask(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
