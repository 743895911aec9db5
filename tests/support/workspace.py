"""Workspaces in memory: build files and Dockerfiles as a mapping of paths to texts."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mkbuild.buildfile.load import load
from mkbuild.buildfile.target import Target, Workspace
from mkbuild.dockerfile import parser
from mkbuild.dockerfile.instructions import Dockerfile
from mkbuild.engine.revision import matches
from mkbuild.graph.targets import TargetGraph, infer
from mkbuild.oci.model import Platform

ROOT = "/w"


@dataclass
class MemoryFiles:
    """Files by absolute path; ``reads`` and ``globs`` count what was asked."""

    contents: Mapping[str, bytes]
    reads: list[str] = field(default_factory=list)
    globs: int = 0

    def __post_init__(self) -> None:
        """Know every directory that holds something."""
        self.directories: set[str] = set()
        for path in self.contents:
            while (path := posixpath.dirname(path)) not in self.directories:
                self.directories.add(path)

    def read(self, path: str) -> bytes:
        """Return a file's contents; raises OSError."""
        self.reads.append(path)
        if path in self.directories:
            raise IsADirectoryError(21, "Is a directory", path)
        if path not in self.contents:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.contents[path]

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or directory."""
        return path in self.contents or path in self.directories

    def glob(self, directory: str, pattern: str) -> list[str]:
        """Return the files that match, in the wrong order, so that callers must sort."""
        self.globs += 1
        wanted = posixpath.join(directory, pattern).split("/")
        return sorted((p for p in self.contents if matches(p.split("/"), wanted)), reverse=True)


def no_git(fact: str) -> str | None:
    """Fail: nothing asked for git."""
    message = f"git was asked for {fact}"
    raise AssertionError(message)


@dataclass
class GitAnswers:
    """Git facts from a mapping; ``asked`` lists the questions."""

    answers: Mapping[str, str | None]
    asked: list[str] = field(default_factory=list)

    def __call__(self, fact: str) -> str | None:
        """Answer."""
        self.asked.append(fact)
        return self.answers.get(fact)


def memory_files(texts: Mapping[str, str]) -> MemoryFiles:
    """Make files of texts by their path below the root."""
    return MemoryFiles(
        {
            posixpath.normpath(posixpath.join(ROOT, path)): text.encode()
            for path, text in texts.items()
        }
    )


def load_texts(  # noqa: PLR0913 -- load() has as many
    texts: Mapping[str, str] | str,
    *,
    env: Mapping[str, str] | None = None,
    git: Mapping[str, str | None] | None = None,
    variables: Mapping[str, str] | None = None,
    profiles: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Workspace:
    """Load a workspace from texts; a single text is the root build file."""
    if isinstance(texts, str):
        texts = {"BUILD.yaml": texts}
    return load(
        f"{ROOT}/BUILD.yaml",
        memory_files(texts),
        env=env or {},
        git=no_git if git is None else GitAnswers(git),
        variables=variables,
        profiles=profiles,
        overrides=overrides,
    )


def images(body: str) -> str:
    """Return a build file with these images (flow or block, indented by two)."""
    return f"version: 1\nimages:\n{body}"


def graph_of(
    texts: Mapping[str, str], platform: Platform | None = None, **options: Mapping[str, str]
) -> TargetGraph:
    """Load a workspace and infer its graph; Dockerfiles are named by their path in the root."""
    workspace = load_texts(texts, **options)  # type: ignore[arg-type]
    return infer(workspace, TextDockerfiles(texts), platform or Platform())


class TextDockerfiles:
    """Reads Dockerfiles of targets from texts; ``read`` lists the labels asked for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Take the texts by path below the root."""
        self.texts = texts
        self.read: list[str] = []

    def __call__(self, target: Target) -> Dockerfile | None:
        """Parse a target's Dockerfile."""
        self.read.append(target.label)
        if target.dockerfile_inline is not None:
            return parser.parse(target.dockerfile_inline, f"{target.label} (inline)")
        name = target.dockerfile.removeprefix(f"{ROOT}/")
        return parser.parse(self.texts[name], name)


def large_workspace(files: int, targets: int) -> dict[str, str]:
    """Return build files and Dockerfiles: in each directory a chain, based on the one before."""
    texts = {
        "BUILD.yaml": "version: 1\ninclude: ['services/*/BUILD.yaml']\n"
        "variables: {REGISTRY: {default: example.com/acme}}\n"
        "defaults: {labels: {revision: '${git.sha}'}, groups: [backend]}\n"
    }
    for number in range(files):
        directory = f"services/s{number:03}"
        lines = ["version: 1", "images:"]
        for index in range(targets):
            name = f"t{number:03}-{index}"
            lines += [
                f"  {name}:",
                f"    dockerfile: Dockerfile.{index}",
                f"    tags: ['${{REGISTRY}}/{name}:${{env.NOTHING:-1}}']",
                f"    args: {{INDEX: {index}}}",
            ]
            if index:
                base = f"t{number:03}-{index - 1}"
            else:
                base = f"t{number - 1:03}-{targets - 1}" if number else "debian"
            texts[f"{directory}/Dockerfile.{index}"] = f"FROM {base}\nRUN true\n"
        texts[f"{directory}/BUILD.yaml"] = "\n".join([*lines, ""])
    return texts


def wide_workspace(files: int, targets: int) -> dict[str, str]:
    """Return build files and Dockerfiles: directories with a base each, over a few common ones.

    In each directory, images stand on its base, some take from a neighbour there, and some from a
    tool of another directory.
    """
    texts = {
        "BUILD.yaml": "version: 1\ninclude: ['*/*/BUILD.yaml']\nimages:\n"
        "  runtime: {context: runtime, publish: false}\n"
        "  tools: {context: tools, publish: false}\n",
        "runtime/Dockerfile": "FROM debian:bookworm-slim\nRUN true\n",
        "tools/Dockerfile": "FROM runtime\nRUN true\n",
    }
    areas = ("services", "jobs", "libraries", "tools")
    for number in range(files):
        directory = f"{areas[number % len(areas)]}/s{number:03}"
        lines = ["version: 1", "images:", f"  base-{number:03}: {{context: base, publish: false}}"]
        common = "runtime" if number % 3 else "tools"
        texts[f"{directory}/base/Dockerfile"] = f"FROM {common}\nRUN true\n"
        for index in range(1, targets):
            name = f"s{number:03}-{index}"
            lines.append(f"  {name}: {{context: '{index}', tags: ['example.com/acme/{name}:1']}}")
            text = f"FROM base-{number:03}\nRUN true\n"
            if index % 4 == 0:
                text += f"COPY --from=s{number:03}-{index - 1} /a /b\n"
            if index == 2 and number:
                text += f"COPY --from=s{number * 2 // 3:03}-1 /a /c\n"
            texts[f"{directory}/{index}/Dockerfile"] = text
        texts[f"{directory}/BUILD.yaml"] = "\n".join([*lines, ""])
    return texts
