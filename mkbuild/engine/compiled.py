"""Compiled plans: what a command line came to when it was last given, and what that rested on.

A build that finds nothing to do spends most of its time on reading build files and Dockerfiles,
planning and computing keys, to end where the build before it ended. So after a build its result
is written down together with all that it was made from (:mod:`mkbuild.engine.evidence`): the same
command line in the same directory then only asks whether each file, directory and variable is as
it was. In doubt the answer is no, and the build goes its usual way.

Where a plan does not hold, what it says of each context may: a build that follows walks only those
contexts in which something changed, and takes from the others the parts of keys that they gave.
Where no build file changed, it does not read them again either.

Nothing heavy is imported here: this is what a no-op runs.
"""

import marshal
import os
import sys
import time
from _blake2 import blake2b  # hashlib loads OpenSSL, which takes a no-op 4 ms

from mkbuild import __version__
from mkbuild.engine.walks import Identity, Looking, Walk, identity
from mkbuild.store.place import default_place

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from mkbuild.digest import Digest

DOMAIN = "mkbuild.compiled.v6"

VOLATILE = frozenset(
    {
        *("_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "WINDOWID", "XDG_SESSION_ID"),
        *("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "STY", "TMUX", "TMUX_PANE"),
    }
)
"""Variables that differ from one terminal to the next, and that no build looks at."""

_DIGEST = 32
"""Bytes of the digests here."""

_LOG_SIZE = 1 << 18
"""Bytes: some 8,000 runs that did nothing are logged beside a record, and no more."""


class Compiled:
    """A result and what it rests on.

    ``since``, ``until``: when it counts, in seconds since 1970. ``hidden``: variables of which
    only the presence matters. ``git``: a directory and the facts asked of its checkout.
    ``followed``: identities by path, of what symlinks lead to; None for what was not there.
    ``walks``: the contexts. ``blobs``: digests that the result consists of. ``tags``: where it
    was pushed (see mkbuild.registry.standing). ``said``: what plain reports say of it, up to the
    time it took. ``events``: names of classes in mkbuild.events, and what they are made of, for
    reports of other kinds. ``record``: name of the run's record (see mkbuild.engine.log).
    ``loaded``: what reading the build files came to (see mkbuild.engine.evidence).
    """

    since: float
    until: float
    environment: str
    hidden: "Mapping[str, bool]"
    git: "tuple[str, Mapping[str, str | None]]"
    followed: tuple[tuple[str, ...], tuple[Identity | None, ...]]
    walks: tuple[Walk, ...]
    blobs: "tuple[Digest, ...]"
    tags: tuple[tuple[str, str, str, str], ...]
    mode: str
    verbose: bool
    said: str
    events: "tuple[tuple[str, tuple[Any, ...]], ...]"
    record: str
    loaded: bytes
    _alike: bool | None = None

    def __init__(self, **values: "Any") -> None:  # noqa: ANN401 -- each of its own type
        """Take all of the values (a dataclass costs a no-op 10 ms)."""
        vars(self).update(values)

    def loads_alike(self, env: "Mapping[str, str]") -> bool:
        """Whether every file but those of contexts, and the environment, is as it was.

        Looked at once: who begins to load, and who loads, ask again.
        """
        if self._alike is None:
            self._alike = (
                self.since <= time.time() < self.until
                and all((name in env) == there for name, there in self.hidden.items())
                and self.environment == environment_of(env, self.hidden)
                and _identities(*self.followed)
                and self._same_git()
            )
        return self._alike

    def holds(self, env: "Mapping[str, str]", storage: str) -> bool:
        """Whether all is as it was; marks the result's blobs as used."""
        if not self.loads_alike(env):
            return False
        if not self.tags:
            return self._stands_here(storage)
        from mkbuild.registry.standing import Asking

        # What takes longest here and there is done side by side.
        with Asking(self.tags) as asking:
            return self._stands_here(storage) and _is_published(storage) and asking.stand()

    def _stands_here(self, storage: str) -> bool:
        with Looking(self.walks) as looking:
            return self._blobs_there(storage) and looking.stand()

    def _same_git(self) -> bool:
        directory, facts = self.git
        if not facts:
            return True
        from pathlib import Path

        from mkbuild.engine.files import Git

        ask = Git(Path(directory))
        return all(ask(fact) == answer for fact, answer in facts.items())

    def _blobs_there(self, storage: str) -> bool:
        from mkbuild.store import boot
        from mkbuild.store.use import use

        return not boot.others(storage) and use(storage, self.blobs)

    def report(self, started: float) -> None:
        """Report what the build would report; ``started`` by time.monotonic."""
        if self.mode == "plain" or (self.mode == "auto" and not sys.stderr.isatty()):
            from mkbuild.progress import text

            sys.stderr.write(f"{self.said}{text.seconds(time.monotonic() - started)}\n")
            return
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


def replay(args: "Sequence[str]", env: "Mapping[str, str]") -> "int | Compiled | None":
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


def name_of(args: "Sequence[str]") -> str | None:
    """Name the plan of a command line in the current directory; None where there is no such."""
    try:
        directory = os.getcwd()  # noqa: PTH109 -- pathlib costs a no-op 10 ms
        program = identity(os.stat(os.path.dirname(__file__)))  # noqa: PTH116, PTH120 -- likewise
    except FileNotFoundError:
        return None
    machine = os.uname()
    where = (directory, os.geteuid(), machine.nodename, machine.machine)
    value = (DOMAIN, __version__, program, where, tuple(args))
    return blake2b(marshal.dumps(value, 2), digest_size=_DIGEST).hexdigest()


def environment_of(env: "Mapping[str, str]", hidden: "Iterable[str]") -> str:
    """Digest what the environment says, but for what is volatile or hidden."""
    left_out = VOLATILE.union(hidden)
    items = sorted(item for item in env.items() if item[0] not in left_out)
    return blake2b(marshal.dumps(items, 2), digest_size=_DIGEST).hexdigest()


def read(path: str) -> Compiled | None:
    """Read a compiled plan; None where there is none, or it is damaged, or somebody else's."""
    try:
        # Unbuffered: what is large is read at once.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- pathlib costs a no-op 10 ms
            # What is loaded is believed: nobody else may have written it.
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            digest, data = file.read(_DIGEST), file.read()
    except OSError:
        return None
    if blake2b(data, digest_size=_DIGEST).digest() != digest:
        return None
    values = marshal.loads(data)  # noqa: S302 -- ours, in a directory of the user's own
    return Compiled(**values | {"walks": tuple(Walk(*row) for row in values["walks"])})


def write(plan: Compiled, path: str) -> None:
    """Write a compiled plan in one piece; raises OSError."""
    data = marshal.dumps(vars(plan) | {"walks": tuple(walk.row() for walk in plan.walks)}, 2)
    partial = f"{path}.{os.getpid()}"
    with open(partial, "wb") as file:  # noqa: PTH123 -- likewise
        file.write(blake2b(data, digest_size=_DIGEST).digest())
        file.write(data)
    os.replace(partial, path)  # noqa: PTH105 -- likewise


def _storage(args: "Sequence[str]", env: "Mapping[str, str]") -> str:
    """Guess where the storage is: a wrong guess finds nothing, since nothing was written there."""
    place = env.get("MKBUILD_STORAGE") or default_place(env)
    for at, word in enumerate(args):
        if word.startswith("--storage="):
            place = word.partition("=")[2]
        elif word == "--storage":
            place = args[at + 1] if at + 1 < len(args) else ""
    return os.path.join(os.getcwd(), place)  # noqa: PTH109, PTH118 -- pathlib costs 10 ms


def _identities(paths: "Sequence[str]", expected: "Sequence[Identity | None]") -> bool:
    """Whether paths have these identities."""
    try:
        return all(map(_has_identity, paths, expected))
    except OSError:
        return False


def _has_identity(path: str, expected: Identity | None) -> bool:
    """Whether a path is what was known of it, None where nothing was there. Raises OSError."""
    try:
        return identity(os.stat(path)) == expected  # noqa: PTH116 -- likewise
    except (FileNotFoundError, NotADirectoryError):
        return expected is None


def _is_published(storage: str) -> bool:
    """Whether no publication was interrupted, which would have to be finished first."""
    try:
        return not os.listdir(f"{storage}/publications")  # noqa: PTH208 -- pathlib costs 10 ms
    except FileNotFoundError:
        return True
