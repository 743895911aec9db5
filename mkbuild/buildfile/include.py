"""The build files of a workspace: the root one and all that it includes, each once."""

import posixpath

from mkbuild.buildfile import yaml
from mkbuild.buildfile.describe import dotted, found
from mkbuild.buildfile.files import Files
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.sources import absolute
from mkbuild.errors import BuildFileError
from mkbuild.frozen import frozen
from mkbuild.location import Location

_WILD = frozenset("*?[")

Glob = tuple[str, str, tuple[str, ...]]


@frozen
class Source:
    """One build file: its path, its directory (absolute, and in labels), its tree."""

    file: str
    directory: str
    label: str
    tree: yaml.Mapping


def relative(path: str, root: str) -> str | None:
    """Return a path seen from the root (empty for the root itself), None where it is outside."""
    if path == root:
        return ""
    prefix = root if root.endswith("/") else root + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


class Gatherer:
    """Reads files breadth first; ``globs`` remembers what was searched for."""

    def __init__(self, files: Files, root_file: str, problems: Problems) -> None:
        """Take the workspace's files and its root build file."""
        self.files = files
        self.root = posixpath.dirname(root_file)
        self.problems = problems
        self.globs: list[Glob] = []
        self._queue: list[tuple[str, Location]] = [(root_file, Location(root_file))]
        self._seen = {root_file}

    def gather(self) -> list[Source]:
        """Return the build files, the root one first; what is wrong is in the problems."""
        sources = []
        for file, wanted in self._queue:
            source = self._read(file, wanted)
            if source:
                sources.append(source)
                self._follow(source)
        return sources

    def _read(self, file: str, wanted: Location) -> Source | None:
        try:
            tree = yaml.parse(self.files.read(file), file)
        except OSError as error:
            what = error.strerror or str(error)
            self.problems.add(f"{file} cannot be read: {what}", wanted)
            return None
        except BuildFileError as error:
            self.problems.add_error(error, wanted)
            return None
        if not isinstance(tree, yaml.Mapping):
            what = found(tree) if tree else "nothing"
            self.problems.add(
                f"found {what}; a build file is a mapping",
                Location(file, 1, 1),
                "begin with 'version: 1' and 'images:'",
            )
            return None
        directory = posixpath.dirname(file)
        label = relative(directory, self.root)
        if label is None:
            self.problems.add(f"{file} is outside of the workspace {self.root}", wanted)
            return None
        tree = tree.without(*(key for key in tree.entries if key.startswith("x-")))
        return Source(file, directory, label, tree)

    def _follow(self, source: Source) -> None:
        include = source.tree.get("include")
        if not isinstance(include, yaml.Sequence):
            return  # a wrong type is found when the document is checked
        for index, item in enumerate(include.items):
            if not isinstance(item, yaml.Scalar) or item.null:
                continue
            key = dotted(("include", f"[{index}]"))
            if "$" in item.text:
                self.problems.add(f"{key}: variables are not allowed here", item.location)
                continue
            for path in self._matches(source, item, key):
                if path not in self._seen:
                    self._seen.add(path)
                    self._queue.append((path, item.location))

    def _matches(self, source: Source, item: yaml.Scalar, key: str) -> list[str]:
        if not _WILD.intersection(item.text):
            path = absolute(item.text, source.directory)
            if not self.files.exists(path):
                self.problems.add(f"{key}: there is no file {item.text!r}", item.location)
                return []
            return [path]
        if item.text.startswith("/"):
            message = f"{key}: {item.text!r}: a pattern counts from the build file's directory"
            self.problems.add(message, item.location)
            return []
        paths = sorted(map(posixpath.normpath, self.files.glob(source.directory, item.text)))
        self.globs.append((source.directory, item.text, tuple(paths)))
        if not paths:
            self.problems.add(f"{key}: no file matches {item.text!r}", item.location)
        return paths
