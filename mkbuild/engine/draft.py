"""A build file in the making, for ``mkbuild init``: from Dockerfiles, or another tool's file."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_SKIPPED = frozenset({"node_modules", "vendor", "venv", "__pycache__", "target", "dist"})
_VARIABLE = re.compile(r"\$(\$)|\$(?:\{(\w+)(?:(:?[-?+])([^{}]*))?\}|([A-Za-z_]\w*))")
_FILE = re.compile(
    r"Dockerfile(\.(?!dockerignore$)[\w.-]+)?(?<!\.dockerignore)|[\w.-]+\.Dockerfile"
)
_SOURCE = re.compile(r"^\s*(?:COPY|ADD)\s+(.+)$", re.IGNORECASE | re.MULTILINE)
_HEADER = "# Written by mkbuild init; mkbuild list shows what is in it, mkbuild all builds it.\n"


@dataclass
class Draft:
    """What the build file will say; ``notes`` tell what could not be taken over."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, settings: Mapping[str, Any]) -> None:
        """Add an image, leaving out what says nothing."""
        self.images[name] = {key: value for key, value in settings.items() if value}

    def text(self, value: object, defaults: Mapping[str, str]) -> str:
        """Take text over: its variables become declared ones; ``$$`` stays a dollar."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()

        def one(match: re.Match[str]) -> str:
            escaped, braced, operator, given, bare = match.groups()
            if escaped:
                return "$$"
            name = braced or bare
            default = given if operator in {"-", ":-"} else ""
            self.variables.setdefault(name, {"default": defaults.get(name, default)})
            return f"${{{name}}}"

        return _VARIABLE.sub(one, str(value))

    def render(self) -> str:
        """Return the build file's text."""
        document: dict[str, Any] = {"version": 1}
        if self.variables:
            document["variables"] = self.variables
        document["images"] = self.images
        if self.groups:
            document["groups"] = self.groups
        return _HEADER + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def scan(root: Path) -> Draft:
    """Make a draft of the Dockerfiles below a directory."""
    draft = Draft()
    for path in sorted(_dockerfiles(root)):
        context = _context(path, root)
        settings = {"context": os.path.relpath(context, root)}
        dockerfile = os.path.relpath(path, context)
        if dockerfile != "Dockerfile":
            settings["dockerfile"] = dockerfile
        draft.add(_name(path, root, draft), settings)
    return draft


def _dockerfiles(root: Path) -> Iterator[Path]:
    for place, directories, files in os.walk(root):
        directories[:] = [d for d in directories if d not in _SKIPPED and not d.startswith(".")]
        yield from (Path(place, name) for name in files if _FILE.fullmatch(name))


def _context(path: Path, root: Path) -> Path:
    """Guess the context: the nearest directory that holds everything that is copied from it."""
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    wanted: list[str] = []
    for line in _SOURCE.findall(text):
        words = line.split()
        if any(word.startswith(("--from", "<<")) for word in words) or "[" in line:
            continue
        wanted += [word for word in words if not word.startswith("--")][:-1]
    literal = [word.lstrip("/") for word in wanted if not re.search(r"[$*?:]", word)]
    for place in (path.parent, *path.parent.parents):
        if all((place / word).exists() for word in literal):
            return place
        if place == root:
            break
    return path.parent


def _name(path: Path, root: Path, draft: Draft) -> str:
    """Name an image by its directory, or by what its Dockerfile's name adds to it."""
    extra = path.name.removeprefix("Dockerfile").removesuffix("Dockerfile").strip(".")
    own = extra or (path.parent if path.parent != root else root.resolve()).name
    parent = path.parent.name if path.parent != root else ""
    number = 2
    name = _clean(own)
    if name in draft.images:
        name = _clean(f"{parent}-{own}")
    first = name
    while name in draft.images:
        name, number = f"{first}-{number}", number + 1
    return name


def _clean(name: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._") or "image"
