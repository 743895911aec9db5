"""Image references: ``[registry/]repository[:tag][@digest]`` (distribution's grammar)."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Self

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import UserError
from mkbuild.frozen import frozen

DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME = 255
"""Longest registry plus repository, in characters."""

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?\Z")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}\Z")


@frozen
class Reference:
    """A complete name of an image: at least one of ``tag`` and ``digest`` is set.

    ``registry`` is a host with an optional port; Docker Hub is ``docker.io``, and its official
    images are ``library/…``. Where both are set the digest decides, and the tag is for the reader.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    def familiar(self) -> str:
        """Render as people write it: ``debian:bookworm``, ``ghcr.io/acme/api:1``."""
        name = self.name
        if self.registry == DOCKER_HUB:
            short = self.repository.removeprefix("library/")
            short = self.repository if "/" in short else short
            # A first component with a dot would be read as a registry.
            name = short if _split(short) == (self.registry, self.repository) else name
        return name + self._suffix()

    def with_digest(self, digest: Digest) -> Self:
        """Return the reference pinned to a digest."""
        return replace(self, digest=digest)

    def with_tag(self, tag: str) -> Self:
        """Return the reference of another tag in the same repository; UserError if malformed."""
        _check_tag(tag, f"{self.name}:{tag}")
        return replace(self, tag=tag, digest=None)

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return tag + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        """Render in full: ``docker.io/library/debian:bookworm``."""
        return self.name + self._suffix()


def parse(text: str, *, default_tag: str = DEFAULT_TAG) -> Reference:
    """Read a reference as docker does: ``debian`` is ``docker.io/library/debian:latest``.

    Raises UserError with a hint that says which rule was broken.
    """
    name, at, digest_text = text.partition("@")
    digest = _digest(digest_text, text) if at else None
    slash, colon = name.rfind("/"), name.rfind(":")
    tag = ""
    if colon > slash:
        name, tag = name[:colon], name[colon + 1 :]
        _check_tag(tag, text)
    if not tag and digest is None:
        tag = default_tag
    registry, repository = _split(name)
    _check_name(registry, repository, text)
    return Reference(registry, repository, tag, digest)


def check(reference: Reference) -> None:
    """Raise UserError where a reference, put together of others' parts, is malformed."""
    _check_name(reference.registry, reference.repository, str(reference))


def among(name: str, names: Collection[str]) -> str | None:
    """Return the one of ``names`` that names the same image, None where there is none.

    BuildKit finds named contexts so: ``alpine``, ``alpine:latest`` and
    ``docker.io/library/alpine`` are one.
    """
    if not names or name in names:
        return name if names else None
    wanted = _short(name)
    return next((other for other in sorted(names) if _short(other) == wanted), None)


def _short(name: str) -> str:
    try:
        return str(parse(name))
    except UserError:
        return name


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_registry = slash and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )
    if not is_registry:
        first, rest = DOCKER_HUB, name
    if first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}" if rest else ""
    return first, rest


def _check_name(registry: str, repository: str, text: str) -> None:
    if not repository:
        raise _bad(text, "the repository's name is missing", "write it as registry/name:tag")
    if _IMAGE_ID.match(repository.removeprefix("library/")):
        raise _bad(text, "an image ID is no name", "refer to the image by name, or name@sha256:…")
    if repository != repository.lower():
        raise _bad(text, "a repository's name is in lower case", f"write {text.lower()!r}")
    if not _REGISTRY.match(registry):
        raise _bad(text, f"{registry!r} is no host[:port]", "write it as registry/name:tag")
    for component in repository.split("/"):
        if not _COMPONENT.match(component):
            raise _bad(
                text,
                f"{component!r} is no part of a repository's name",
                "use letters and digits, with single separators '.', '_', '__' or '-' between them",
            )
    if len(registry) + 1 + len(repository) > MAX_NAME:
        raise _bad(text, f"the name has more than {MAX_NAME} characters", "shorten it")


def _check_tag(tag: str, text: str) -> None:
    if not _TAG.match(tag):
        raise _bad(
            text,
            f"{tag[:140]!r} is no tag",
            "a tag has up to 128 letters, digits, '_', '.' and '-', and begins with none of '.-'",
        )


def _digest(digest: str, text: str) -> Digest:
    try:
        return digests.parse(digest)
    except ValueError as error:
        raise _bad(text, str(error), "a digest is sha256: and 64 lower-case hex digits") from error


def _bad(text: str, why: str, hint: str) -> UserError:
    return UserError(f"invalid image reference {text[:300]!r}: {why}", hint=hint)
