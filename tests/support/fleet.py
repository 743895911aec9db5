"""A big monorepo on disk, made from a seed: teams with a library image each, and images over it."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.computer import write

PER_FILE = 10
"""Images of a build file: a library, and those based on it."""

_ROOT = """\
version: 1
include: ["teams/*/BUILD.yaml"]
variables:
  REGISTRY: {default: registry.example.com/acme}
defaults: {labels: {org.opencontainers.image.revision: "${git.sha:-none}"}}
images:
  base: {context: base, publish: false}
"""
_IMAGE = """\
  {name}:
    context: {context}
    tags: ["${{REGISTRY}}/{name}:{tag}"]
    groups: [{groups}]
"""


@dataclass(frozen=True)
class Fleet:
    """What was made: labels of all images, and of each the labels that it needs."""

    directory: Path
    needs: Mapping[str, frozenset[str]]

    @property
    def labels(self) -> list[str]:
        """Return the labels in their order."""
        return sorted(self.needs)

    def dependents(self, label: str) -> set[str]:
        """Return an image and all that need it, however far."""
        found, todo = {label}, [label]
        while todo:
            needed = todo.pop()
            for other, needs in self.needs.items():
                if needed in needs and other not in found:
                    found.add(other)
                    todo.append(other)
        return found


def make_fleet(directory: Path, images: int, seed: int = 0) -> Fleet:
    """Write a workspace of ``base`` and ``images`` more, ten in each of its build files."""
    rng = random.Random(seed)
    files = {
        "BUILD.yaml": _ROOT,
        "base/Dockerfile": "FROM busybox\nCOPY motd /etc/motd\n",
        "base/motd": "base\n",
    }
    needs: dict[str, frozenset[str]] = {"base": frozenset()}
    libraries: list[str] = []
    for team in range(images // PER_FILE):
        place = f"teams/t{team:03}"
        declared = ["version: 1", "images:", ""]
        text = "\n".join(declared)
        for index in range(PER_FILE):
            name = f"lib{team:03}" if index == 0 else f"app{team:03}-{index}"
            below = "base" if index == 0 else f"lib{team:03}"
            other = rng.choice(libraries) if libraries and rng.random() < 0.5 else None
            text += _IMAGE.format(
                name=name,
                context=name,
                tag=f"1.{rng.randrange(100)}",
                groups="libraries" if index == 0 else f"apps, ring{rng.randrange(4)}",
            )
            files |= dict(_image(f"{place}/{name}", name, below, other, rng))
            found = {below, other} - {None}
            needs[f"//{place}:{name}"] = frozenset(_label(other_name) for other_name in found)
        libraries.append(f"lib{team:03}")
        files[f"{place}/BUILD.yaml"] = text
    write(directory, files)
    return Fleet(directory, needs)


def _label(name: str | None) -> str:
    assert name is not None
    return name if name == "base" else f"//teams/t{name[3:6]}:{name}"


def _image(
    place: str, name: str, below: str, other: str | None, rng: random.Random
) -> Iterator[tuple[str, str]]:
    lines = [f"FROM {below}", f"LABEL team={place[6:10]}", f"COPY src /srv/{name}"]
    if other is not None:
        lines.append(f"COPY --from={other} /srv/{other}/0.txt /srv/{name}/other.txt")
    lines.append(f'CMD ["cat", "/srv/{name}/0.txt"]')
    yield f"{place}/Dockerfile", "\n".join([*lines, ""])
    for number in range(rng.randint(1, 3)):
        yield f"{place}/src/{number}.txt", f"{name} {rng.randrange(1 << 30)}\n"
