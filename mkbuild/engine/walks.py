"""Contexts as a build walked them, and whether they are as they were.

Files are compared by inode, size, mode, mtime and ctime, never read: no edit can keep a ctime.
Directories are compared likewise; whatever comes or goes in one changes its times.

Many files are looked at by several processes: to ask the kernel for 20,000 takes 50 ms, and threads
of one interpreter cannot share that. They are forked where the process has one thread and has done
nothing yet, and do nothing but ask.

Nothing heavy is imported here: this is what a no-op runs.
"""

import marshal
import os
from _blake2 import blake2b  # hashlib loads OpenSSL, which takes a no-op 4 ms
from operator import attrgetter

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, Self

    from mkbuild.digest import Digest

Identity = tuple[int, ...]

Batch = tuple[str, str, bytes]
"""What their paths begin with, the rests, _NUL between them, and a digest of the identities."""

identity = attrgetter("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")
"""What a file or directory is known by; the owner is not in it, whose change a ctime tells."""

_NUL = "\0"

_BATCH = 250
"""Files that are compared at once: few enough for their values to stay in the processor's cache."""

_WORTH = 2000
"""Files for which a process pays."""

_MOST_PROCESSES = 4

_MARK = 3
"""Bytes that name a batch in the pipes."""

_MOST_BATCHES = 10_000
"""Batches that fit into a pipe."""

_SAME, _OTHER = 1, 2
"""What is known of a batch that was looked at."""


class Walk:
    """A context that was walked: what the walk rested on, and what came of it.

    ``directory``, ``ignored``: where it is, and the text of its ignore file. What was found in it
    is there by path, the directory itself (symlinks followed) first. ``parts``: digests of what
    steps select of it, by the steps' own signatures.
    """

    __slots__ = ("_root", "_stands", "batches", "directory", "ignored", "parts")

    def __init__(
        self,
        directory: str,
        ignored: str,
        root: Identity,
        batches: tuple[Batch, ...],
        parts: "Mapping[str, Digest]",
    ) -> None:
        """Take a row: to unpack its thousands of values takes longer than to compare them."""
        self.directory = directory
        self.ignored = ignored
        self.parts = parts
        self._root = root
        self.batches = batches
        self._stands: bool | None = None

    @classmethod
    def made(
        cls,
        directory: str,
        ignored: str,
        found: "Mapping[str, Identity]",
        parts: "Mapping[str, Digest]",
    ) -> "Walk":
        """Make one of what a walk found, by its paths."""
        paths, identities = list(found), list(found.values())
        prefix = paths[0]
        batches = []
        for at in range(0, len(paths), _BATCH):
            rests = (path.removeprefix(prefix) for path in paths[at : at + _BATCH])
            batches.append((prefix, _NUL.join(rests), _digest(identities[at : at + _BATCH])))
        return cls(directory, ignored, identities[0], tuple(batches), parts)

    def is_of(self, found: "Mapping[str, Identity]") -> bool:
        """Whether a walk that was made since found the same."""
        paths = [_paths(batch) for batch in self.batches]
        return found.keys() == {path for some in paths for path in some} and all(
            _digest(map(found.__getitem__, some)) == digest
            for some, (_, _, digest) in zip(paths, self.batches, strict=True)
        )

    def stands(self) -> bool:
        """Whether all of the context is as it was; looked at once."""
        if self._stands is None:
            self._stands = self._has_root() and all(map(_stands, self.batches))
        return self._stands

    def take(self, answers: bytes) -> None:
        """Take answers about the batches in, where there is one for each, or one of them is no."""
        if _OTHER in answers:
            self._stands = False
        elif answers == bytes((_SAME,)) * len(self.batches):
            self._stands = self._has_root()

    def _has_root(self) -> bool:
        try:
            return identity(os.stat(self.directory)) == self._root  # noqa: PTH116
        except OSError:
            return False

    def row(self) -> "tuple[Any, ...]":
        """Return what it is made of."""
        return self.directory, self.ignored, self._root, self.batches, dict(self.parts)


class Looking:
    """Looks at all of some contexts at once, in processes of its own where that pays."""

    def __init__(self, walks: "Sequence[Walk]") -> None:
        """Begin: whoever asks can do something else before the answer."""
        self._walks = walks
        self._batches = [batch for walk in walks for batch in walk.batches][:_MOST_BATCHES]
        self._answers = bytearray(len(self._batches))
        self.children: list[int] = []
        self._todo, todo = os.pipe()
        os.write(todo, b"".join(at.to_bytes(_MARK, "big") for at in range(len(self._batches))))
        os.close(todo)
        self._done, self._report = os.pipe()
        pays = min(_MOST_PROCESSES, len(self._batches) * _BATCH // _WORTH)
        try:
            for _ in range(1, min(pays, len(os.sched_getaffinity(0)))):
                self.children.append(self._fork())
        except OSError:
            pass  # no more processes are allowed: those that there are do it all

    def stand(self) -> bool:
        """Help to the end; whether all contexts are as they were. Once only."""
        for at in self._taken():
            self._answers[at] = _answer(self._batches[at])
        os.close(self._report)
        self._report = -1
        with open(self._done, "rb", closefd=False) as file:
            while told := file.read(_MARK + 1):
                self._answers[int.from_bytes(told[:_MARK], "big")] = told[_MARK]
        at = 0
        for walk in self._walks:
            walk.take(bytes(self._answers[at : at + len(walk.batches)]))
            at += len(walk.batches)
        return all(walk.stands() for walk in self._walks)

    def __enter__(self) -> "Self":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        for _at in self._taken():
            pass  # what nobody needs any more
        for descriptor in (self._todo, self._done, self._report):
            if descriptor >= 0:
                os.close(descriptor)
        for child in self.children:
            os.waitpid(child, 0)

    def _taken(self) -> "Iterator[int]":
        """Take batches for as long as there are any; each goes to one process."""
        while mark := os.read(self._todo, _MARK):
            yield int.from_bytes(mark, "big")

    def _fork(self) -> int:
        child = os.fork()
        if not child:
            try:
                for at in self._taken():
                    answer = bytes((_answer(self._batches[at]),))
                    os.write(self._report, at.to_bytes(_MARK, "big") + answer)
            finally:
                os._exit(0)  # whatever it was: what it did not answer, somebody else will ask
        return child


def _answer(batch: Batch) -> int:
    return _SAME if _stands(batch) else _OTHER


def _stands(batch: Batch) -> bool:
    """Whether files are as they were; loops in C."""
    try:
        return _digest(map(identity, map(os.lstat, _paths(batch)))) == batch[2]
    except OSError:
        return False


def _paths(batch: Batch) -> list[str]:
    prefix, rests, _ = batch
    return f"{prefix}{rests.replace(_NUL, _NUL + prefix)}".split(_NUL)


def _digest(identities: "Iterable[Identity]") -> bytes:
    return blake2b(marshal.dumps(tuple(identities), 2), digest_size=16).digest()
