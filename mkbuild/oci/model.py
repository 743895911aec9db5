"""Descriptors, manifests, indexes and image configs (OCI image spec) as immutable values.

Every document keeps the bytes it was read from: digests are taken of bytes that were fetched or
written, never of a re-serialisation.
"""

import json
from collections.abc import Mapping
from dataclasses import field, replace

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.frozen import frozen
from mkbuild.oci import mediatype, members
from mkbuild.oci.members import Json


def dump(document: Json) -> bytes:
    """Serialise a document: compact, in insertion order, as Go's tools do."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@frozen
class Platform:
    """An image's platform (image-index.md); ``variant`` and the others are empty where unset."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""
    os_version: str = ""

    def __str__(self) -> str:
        """Render as ``os/architecture[/variant]``."""
        parts = [self.os, self.architecture, *([self.variant] if self.variant else [])]
        return "/".join(parts)


@frozen
class Descriptor:
    """A typed, sized reference to content (descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    urls: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return the descriptor as the JSON object of the spec."""
        document: Json = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.urls:
            document["urls"] = list(self.urls)
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform is not None:
            platform = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.os_version:
                platform["os.version"] = self.platform.os_version
            if self.platform.variant:
                platform["variant"] = self.platform.variant
            document["platform"] = platform
        return document

    @classmethod
    def from_json(cls, document: object) -> "Descriptor":
        """Check and take over a descriptor that came from outside; raises ArchiveError."""
        if not isinstance(document, dict):
            message = "a descriptor is not an object"
            raise ArchiveError(message)
        size, text = document.get("size"), document.get("digest")
        whole = isinstance(size, int) and not isinstance(size, bool) and size >= 0
        if not whole or not isinstance(text, str):
            message = f"a descriptor without a valid digest and size: {str(document)[:200]}"
            raise ArchiveError(message)
        try:
            checked = digests.parse(text)
        except ValueError as error:
            raise ArchiveError(str(error)) from error
        has_platform = document.get("platform") is not None
        return cls(
            media_type=members.text(document, "mediaType"),
            digest=checked,
            size=members.number(document, "size"),
            annotations=members.text_mapping(document, "annotations"),
            platform=_platform(members.mapping(document, "platform")) if has_platform else None,
            urls=members.texts(document, "urls"),
        )


def _platform(document: Json, default_os: str = "") -> Platform:
    return Platform(
        os=members.text(document, "os") or default_os,
        architecture=members.text(document, "architecture"),
        variant=members.text(document, "variant"),
        os_version=members.text(document, "os.version"),
    )


def _object(data: bytes, what: str) -> Json:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"{what} is not JSON: {error}"
        raise ArchiveError(message) from error
    if not isinstance(document, dict):
        message = f"{what} is not a JSON object"
        raise ArchiveError(message)
    return document


@frozen
class Manifest:
    """An image manifest (manifest.md) with the bytes it was read from."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None
    artifact_type: str = ""

    @property
    def digest(self) -> Digest:
        """Digest of the bytes."""
        return digests.of(self.raw)

    @classmethod
    def parse(cls, data: bytes, media_type: str = "") -> "Manifest":
        """Read a manifest; raises ArchiveError, also for a document that is index and manifest."""
        document = _object(data, "the image manifest")
        if "manifests" in document:
            message = "a document with both 'manifests' and 'layers' is neither index nor manifest"
            raise ArchiveError(message)
        stated = members.text(document, "mediaType") or media_type or mediatype.OCI_MANIFEST
        subject = document.get("subject")
        return cls(
            raw=data,
            media_type=stated,
            config=Descriptor.from_json(document.get("config")),
            layers=tuple(map(Descriptor.from_json, members.objects(document, "layers"))),
            annotations=members.text_mapping(document, "annotations"),
            subject=Descriptor.from_json(subject) if subject else None,
            artifact_type=members.text(document, "artifactType"),
        )

    @classmethod
    def build(
        cls,
        config: Descriptor,
        layers: tuple[Descriptor, ...],
        *,
        media_type: str = mediatype.OCI_MANIFEST,
        annotations: Mapping[str, str] | None = None,
    ) -> "Manifest":
        """Make a manifest from its parts."""
        document: Json = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        if annotations:
            document["annotations"] = dict(sorted(annotations.items()))
        return cls(
            raw=dump(document),
            media_type=media_type,
            config=config,
            layers=layers,
            annotations=annotations or {},
        )

    def descriptor(self) -> Descriptor:
        """Return the descriptor that refers to this manifest."""
        return Descriptor(self.media_type, self.digest, len(self.raw))


@frozen
class Index:
    """An image index (image-index.md) or docker manifest list, with its bytes."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]

    @property
    def digest(self) -> Digest:
        """Digest of the bytes."""
        return digests.of(self.raw)

    @classmethod
    def parse(cls, data: bytes, media_type: str = "") -> "Index":
        """Read an index; raises ArchiveError, also for a document that is index and manifest."""
        document = _object(data, "the image index")
        if "layers" in document or "config" in document:
            message = "a document with both 'manifests' and 'layers' is neither index nor manifest"
            raise ArchiveError(message)
        return cls(
            raw=data,
            media_type=members.text(document, "mediaType") or media_type or mediatype.OCI_INDEX,
            manifests=tuple(map(Descriptor.from_json, members.objects(document, "manifests"))),
        )

    @classmethod
    def build(
        cls, manifests: tuple[Descriptor, ...], media_type: str = mediatype.OCI_INDEX
    ) -> "Index":
        """Make an index from its parts."""
        document: Json = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        return cls(raw=dump(document), media_type=media_type, manifests=manifests)

    def descriptor(self) -> Descriptor:
        """Return the descriptor that refers to this index."""
        return Descriptor(self.media_type, self.digest, len(self.raw))


@frozen
class History:
    """One line of an image's history (config.md "history")."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False
    author: str = ""

    def to_json(self) -> Json:
        """Return the history entry as the JSON object of the spec."""
        document: Json = {}
        for key, value in (
            ("author", self.author),
            ("created", self.created),
            ("created_by", self.created_by),
            ("comment", self.comment),
        ):
            if value:
                document[key] = value
        if self.empty_layer:
            document["empty_layer"] = True
        return document


@frozen
class Healthcheck:
    """A health check (docker's image spec v1.2); times in nanoseconds, 0 means inherited."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    def to_json(self) -> Json:
        """Return the health check as docker writes it."""
        document: Json = {}
        if self.test:
            document["Test"] = list(self.test)
        for key, value in (
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
            ("Retries", self.retries),
        ):
            if value:
                document[key] = value
        return document


@frozen
class ContainerConfig:
    """What a container of the image runs with (config.md "config", plus docker's own members).

    ``cmd``, ``entrypoint`` and ``shell`` are None where unset; an empty tuple is a set, empty one.
    ``exposed_ports`` are ``port/protocol``. ``args_escaped`` means nothing on Linux, and is set
    by every CMD.
    """

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False

    def to_json(self) -> Json:
        """Return the config object, leaving out what is unset."""
        members: tuple[tuple[str, object], ...] = (
            ("User", self.user or None),
            ("ExposedPorts", {port: {} for port in sorted(self.exposed_ports)} or None),
            ("Env", list(self.env) or None),
            ("Entrypoint", None if self.entrypoint is None else list(self.entrypoint)),
            ("Cmd", None if self.cmd is None else list(self.cmd)),
            ("ArgsEscaped", self.args_escaped or None),
            ("Healthcheck", self.healthcheck and self.healthcheck.to_json()),
            ("Volumes", {path: {} for path in sorted(self.volumes)} or None),
            ("WorkingDir", self.working_dir or None),
            ("OnBuild", list(self.on_build) or None),
            ("Labels", dict(sorted(self.labels.items())) or None),
            ("StopSignal", self.stop_signal or None),
            ("Shell", None if self.shell is None else list(self.shell)),
        )
        return {key: value for key, value in members if value is not None}

    @classmethod
    def from_json(cls, document: Json) -> "ContainerConfig":
        """Read a config object; null members count as unset. Raises ArchiveError."""
        check = members.mapping(document, "Healthcheck")
        return cls(
            user=members.text(document, "User"),
            env=members.texts(document, "Env"),
            entrypoint=members.optional_texts(document, "Entrypoint"),
            cmd=members.optional_texts(document, "Cmd"),
            exposed_ports=tuple(members.mapping(document, "ExposedPorts")),
            volumes=tuple(members.mapping(document, "Volumes")),
            working_dir=members.text(document, "WorkingDir"),
            labels=members.text_mapping(document, "Labels"),
            stop_signal=members.text(document, "StopSignal"),
            healthcheck=_healthcheck(check) if check else None,
            shell=members.optional_texts(document, "Shell"),
            on_build=members.texts(document, "OnBuild"),
            args_escaped=bool(document.get("ArgsEscaped")),
        )


def _healthcheck(document: Json) -> Healthcheck:
    return Healthcheck(
        test=members.texts(document, "Test"),
        interval=members.number(document, "Interval"),
        timeout=members.number(document, "Timeout"),
        start_period=members.number(document, "StartPeriod"),
        start_interval=members.number(document, "StartInterval"),
        retries=members.number(document, "Retries"),
    )


@frozen
class ImageConfig:
    """An image config (config.md): platform, container config, layers and history."""

    platform: Platform = field(default_factory=Platform)
    config: ContainerConfig = field(default_factory=ContainerConfig)
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""

    def to_json(self) -> bytes:
        """Serialise: the same value always gives the same bytes."""
        document: Json = {}
        if self.created:
            document["created"] = self.created
        if self.author:
            document["author"] = self.author
        document["architecture"] = self.platform.architecture
        document["os"] = self.platform.os
        if self.platform.os_version:
            document["os.version"] = self.platform.os_version
        if self.platform.variant:
            document["variant"] = self.platform.variant
        document["config"] = self.config.to_json()
        document["rootfs"] = {"type": "layers", "diff_ids": list(self.diff_ids)}
        document["history"] = [line.to_json() for line in self.history]
        return dump(document)

    @classmethod
    def parse(cls, data: bytes) -> "ImageConfig":
        """Read an image config; raises ArchiveError."""
        document = _object(data, "the image config")
        rootfs = members.mapping(document, "rootfs")
        try:
            diff_ids = tuple(map(digests.parse, members.texts(rootfs, "diff_ids")))
        except ValueError as error:
            message = f"the image config is malformed: {error}"
            raise ArchiveError(message) from error
        return cls(
            platform=_platform(document, "linux"),
            config=ContainerConfig.from_json(members.mapping(document, "config")),
            diff_ids=diff_ids,
            history=tuple(
                History(
                    created=members.text(line, "created"),
                    created_by=members.text(line, "created_by"),
                    comment=members.text(line, "comment"),
                    empty_layer=bool(line.get("empty_layer")),
                    author=members.text(line, "author"),
                )
                for line in members.objects(document, "history")
            ),
            created=members.text(document, "created"),
            author=members.text(document, "author"),
        )

    def with_config(self, config: ContainerConfig) -> "ImageConfig":
        """Return this image config with another container config."""
        return replace(self, config=config)
