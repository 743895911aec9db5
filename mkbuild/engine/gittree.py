"""The files of a commit, made real below a directory as far as somebody asks for them."""

import os
import posixpath
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from mkbuild.context.scan import Item, View
from mkbuild.engine.repository import GITLINK, SYMLINK, Entry, Repository
from mkbuild.errors import UsageError
from mkbuild.frozen import frozen


class GitTree:
    """Files are written one by one, or seen through :meth:`view`.

    What git says is the same as now is copied from where it lies: so it has the same mode and
    attributes, and comes out of the same filters. Of the rest git knows but the executable bit:
    where that is the same, the mode is the present one.
    """

    def __init__(self, repository: Repository, commit: str, into: Path) -> None:
        """``into``: an empty directory of ours."""
        self.repository = repository
        self.commit = commit
        self.into = into
        self._links: dict[tuple[int, int], Path] = {}
        self._done: set[str] = set()

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """All files of the commit."""
        return self.repository.tree(self.commit)

    @cached_property
    def children(self) -> Mapping[str, Sequence[str]]:
        """The names in each directory."""
        found: dict[str, list[str]] = {"": []}
        for entry in self.entries:
            path = entry
            while path:
                parent, _, name = path.rpartition("/")
                known = parent in found
                found.setdefault(parent, []).append(name)
                path = "" if known else parent
        return found

    @cached_property
    def changed(self) -> list[str]:
        """What is different now, sorted (see :meth:`Repository.changed`)."""
        return self.repository.changed(self.commit)

    def write(self, paths: Iterable[str]) -> None:
        """Make files real, and the directories of all of them; a path may be a submodule."""
        changed, fresh = frozenset(self.changed), []
        for path in paths:
            if path in self._done:
                continue
            self._done.add(path)
            entry = self.entries[path]
            self.make_directory(path.rpartition("/")[0])
            if path not in changed and os.path.lexists(self.repository.top / path):
                self._copy(path)
            elif entry.mode == GITLINK:
                self._submodule(path, entry)
            else:
                fresh.append(path)
        self.repository.check_out(self.commit, fresh, self.into)
        for path in fresh:
            self._set_mode(path, self.entries[path])

    def view(self, directory: str) -> View:
        """Return what lists a directory as it was; what changed in it has to be written before.

        Files that did not change are where they are now.
        """
        changed, now = frozenset(self.changed), str(self.repository.top)

        def view(path: str, place: str) -> Iterable[Item]:
            at = posixpath.join(directory, path) if path else directory
            names = self.children.get(at)
            if names is None:  # in a submodule
                with os.scandir(place) as found:
                    yield from found
                return
            for name in names:
                child = f"{at}/{name}" if at else name
                there = f"{now}/{child}"
                if child in changed:
                    there = f"{self.into}/{child}"
                elif child in self.children and not _is_directory(there):
                    self.make_directory(child)
                    there = f"{self.into}/{child}"
                yield _Seen(name, there)

        return view

    def make_directory(self, path: str) -> None:
        """Make a directory, and those above it, with the modes that they have now."""
        place = self.into / path
        if place.is_dir():
            return
        if path:
            self.make_directory(path.rpartition("/")[0])
        place.mkdir(exist_ok=True)
        now = self.repository.top / path
        if path and now.is_dir() and not now.is_symlink():
            place.chmod(now.stat().st_mode & 0o7777)

    def link_of(self, path: str) -> str | None:
        """Return where a symlink of the commit leads; None for anything else."""
        entry = self.entries.get(path)
        if entry is None or entry.mode != SYMLINK:
            return None
        return os.fsdecode(self.repository.read(entry))

    def submodule_of(self, path: str) -> str | None:
        """Return the path of the submodule that a path is, or is in; None of any other."""
        while path:
            entry = self.entries.get(path)
            if entry is not None:
                return path if entry.mode == GITLINK else None
            path = path.rpartition("/")[0]
        return None

    @cached_property
    def files(self) -> list[str]:
        """All paths that are no submodule's, and those in submodules that are checked out."""
        found = []
        for path, entry in self.entries.items():
            if entry.mode != GITLINK:
                found.append(path)
                continue
            repository = self.repository.submodule(path)
            if repository is not None and repository.is_ref(entry.name):
                inside = GitTree(repository, entry.name, self.into / path).files
                found += [f"{path}/{name}" for name in inside]
        return found

    def _copy(self, path: str) -> None:
        source, target = self.repository.top / path, self.into / path
        status = source.lstat()
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
            return
        first = self._links.setdefault((status.st_dev, status.st_ino), target)
        if first != target and status.st_nlink > 1:
            target.hardlink_to(first)
        else:
            shutil.copy2(source, target, follow_symlinks=False)

    def _submodule(self, path: str, entry: Entry) -> None:
        self.make_directory(path)
        repository = self.repository.submodule(path)
        if repository is None:
            return  # nor does the present build find anything there
        if not repository.is_ref(entry.name):
            raise UsageError(
                f"the submodule {path} has no commit {entry.name[:12]}, which it had to be at",
                hint=f"git -C {path} fetch origin {entry.name}",
            )
        tree = GitTree(repository, entry.name, self.into / path)
        tree.write(tree.entries)

    def _set_mode(self, path: str, entry: Entry) -> None:
        now = self.repository.top / path
        if entry.mode.startswith("100") and now.is_file() and not now.is_symlink():
            mode = now.stat().st_mode & 0o7777
            if bool(mode & 0o100) == (entry.mode == "100755"):
                (self.into / path).chmod(mode)


def _is_directory(place: str) -> bool:
    found = Path(place)
    return found.is_dir() and not found.is_symlink()


@frozen
class _Seen:
    """An entry of a viewed directory (mkbuild.context.scan.Item)."""

    name: str
    path: str

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        status = self.stat(follow_symlinks=follow_symlinks)
        return stat.S_ISDIR(status.st_mode)

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        return os.stat(self.path, follow_symlinks=follow_symlinks)  # noqa: PTH116 -- pathlib is slow
