"""The build file's document as pydantic models: what is allowed, and the schema's descriptions.

Every scalar arrives as the text that was written, variables filled in (see ``yaml``).
"""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from mkbuild.buildfile.quantities import SIZE, parse_duration, parse_size
from mkbuild.oci import epoch

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9._]+)?\Z")
NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
"""What names of targets, groups and profiles are made of."""


def _timestamps(value: object) -> str | int:
    text = str(value)
    if text in ("epoch", "preserve"):
        return text
    try:
        return epoch.parse(text)
    except ValueError:
        raise ValueError("allowed: epoch, preserve, or seconds since 1970") from None


def _platform(value: object) -> str:
    if not isinstance(value, str) or not _PLATFORM.match(value):
        raise ValueError("allowed: OS/ARCHITECTURE[/VARIANT] such as linux/amd64 or linux/arm/v7")
    return value


def _version(value: object) -> int:
    if str(value) != "1":
        raise ValueError("allowed: 1")
    return 1


Text: TypeAlias = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Size: TypeAlias = Annotated[
    int,
    PlainValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": SIZE}),
]
Duration: TypeAlias = Annotated[
    int, PlainValidator(parse_duration), WithJsonSchema({"type": "string"})
]
Timestamps: TypeAlias = Annotated[
    str | int,
    PlainValidator(_timestamps),
    WithJsonSchema({"anyOf": [{"enum": ["epoch", "preserve"]}, {"type": "integer", "minimum": 0}]}),
]
Platform: TypeAlias = Annotated[
    str, PlainValidator(_platform), WithJsonSchema({"type": "string", "examples": ["linux/amd64"]})
]
Version: TypeAlias = Annotated[int, PlainValidator(_version), WithJsonSchema({"const": 1})]


class Model(BaseModel):
    """Immutable, and nothing but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariableModel(Model):
    """A variable, used as ``${NAME}``."""

    default: Text | None = Field(
        default=None,
        description="Its value unless --var or an environment variable of its name gives one.",
    )
    description: str = Field(default="", description="What it is for.")


class SecretModel(Model):
    """A secret for RUN --mount=type=secret; its value never enters a key or a layer."""

    id: Text = Field(description="The id that RUN --mount=type=secret,id=… names.")
    env: Text | None = Field(default=None, description="Environment variable that holds the value.")
    src: Text | None = Field(default=None, description="File that holds the value.")


class SshModel(Model):
    """An ssh agent or keys for RUN --mount=type=ssh."""

    id: Text = Field(default="default", description="The id that RUN --mount=type=ssh,id=… names.")
    paths: list[Text] = Field(
        default_factory=list, description="Agent socket or key files; empty: SSH_AUTH_SOCK."
    )


class ResourcesModel(Model):
    """What building the target takes."""

    weight: int = Field(default=1, ge=1, description="How many of the -j slots a step of it takes.")
    makeflags: bool = Field(
        default=False, description="RUN gets MAKEFLAGS=-jN, with the slots that its step takes."
    )
    cpus: float = Field(
        default=0, gt=0, description="How many processors a RUN may use, such as 1.5."
    )
    memory: Size = Field(
        default=0, description="How much memory a RUN may use, such as 2GB; above it, it is killed."
    )
    pids: int = Field(default=0, ge=1, description="How many processes and threads a RUN may have.")


class OutputModel(Model):
    """Where the image is written besides the local store."""

    type: Literal["oci", "docker", "tar", "local"] = Field(description="The format.")
    dest: Text = Field(description="File or directory, relative to the build file.")
    tar: bool = Field(
        default=True, description="With type oci: one archive, or (false) a directory."
    )


class SettingsModel(Model):
    """What may stand in an image and, for all images, in ``defaults``."""

    args: dict[str, Text] = Field(default_factory=dict, description="Build arguments (ARG).")
    contexts: dict[str, Text] = Field(
        default_factory=dict,
        description="Names that FROM, COPY --from and RUN --mount=from may use: target:NAME, "
        "docker-image://REF, oci-layout://DIR[:TAG], a directory, a git URL.",
    )
    labels: dict[str, Text] = Field(default_factory=dict, description="Image labels.")
    secrets: list[SecretModel] = Field(
        default_factory=list, description="Secrets that RUN may mount."
    )
    ssh: list[SshModel] = Field(default_factory=list, description="SSH agents that RUN may mount.")
    platforms: list[Platform] = Field(
        default_factory=list, description="Platforms to build for; none: this one."
    )
    commit: Literal["implicit", "explicit"] = Field(
        default="implicit",
        description="implicit: a layer for each step that changes something; explicit: only at "
        "#!COMMIT and at a stage's end.",
    )
    timestamps: Timestamps = Field(
        default="epoch", description="epoch (reproducible), preserve (as Docker does), or seconds."
    )
    pull: Literal["always", "hourly", "never"] = Field(
        default="hourly", description="How often a base image's tag is asked for."
    )
    publish: bool = Field(default=True, description="Whether --push pushes it.")
    groups: list[Text] = Field(default_factory=list, description="Groups that it belongs to.")
    resources: ResourcesModel = Field(
        default_factory=ResourcesModel, description="What building it takes."
    )
    network: Literal["default", "none", "host"] = Field(
        default="default", description="The network of its RUN steps."
    )
    add_hosts: dict[str, Text] = Field(
        default_factory=dict, description="Host names for RUN steps: name to address."
    )
    no_cache: bool = Field(default=False, description="Run every step, whatever the cache holds.")
    no_cache_filter: list[Text] = Field(
        default_factory=list, description="Stages whose steps run in any case."
    )
    compression: Literal["gzip", "zstd", "none", "speed", "size"] = Field(
        default="gzip", description="How layers are compressed."
    )


class ImageModel(SettingsModel):
    """One image, or several where it has a matrix."""

    context: Text = Field(
        default=".", description="Directory relative to the build file, or a git URL."
    )
    dockerfile: Text = Field(
        default="Dockerfile", description="Dockerfile, relative to the context."
    )
    dockerfile_inline: str = Field(
        default="", description="The Dockerfile itself; its ${…} are the Dockerfile's own."
    )
    target: Text = Field(default="", description="The stage to build; not said: the last.")
    tags: list[Text] = Field(
        default_factory=list,
        description="Names that it is pushed under; not inherited, a tag names one image.",
    )
    depends_on: list[Text] = Field(
        default_factory=list, description="Targets to build before; for order only."
    )
    inherits: list[Text] = Field(
        default_factory=list,
        description="Images to take settings from, later ones first in rank; own ones win.",
    )
    name: Text = Field(
        default="", description="With a matrix: each target's name, using ${matrix.…}."
    )
    matrix: dict[str, list[Text]] = Field(
        default_factory=dict, description="One target for each combination of these values."
    )
    outputs: list[OutputModel] = Field(
        default_factory=list, description="Files to write besides the local store."
    )


class LocalCacheModel(Model):
    """The local store's limits."""

    max_size: Size | None = Field(
        default=None, description="Collect above this size, such as 40GB."
    )
    ttl: Duration = Field(default=14 * 86400, description="Forget what was not used for so long.")


class _RemoteModel(Model):
    mode: Literal["read-write", "read-only", "write-only", "off"] = Field(
        default="read-write", description="What it is used for."
    )
    ttl: Duration = Field(
        default=14 * 86400, description="How long entries live after their last use; 0: for ever."
    )
    scope: Text = Field(
        default="", description="Written and read; keeps entries apart from those of other scopes."
    )
    read_scopes: list[Text] = Field(
        default_factory=list, description="Read after the scope; '' is that of those who name none."
    )
    signing_key_env: Text = Field(
        default="", description="Environment variable with the key that entries are signed with."
    )


class RedisModel(_RemoteModel):
    """Keys in Redis."""

    type: Literal["redis"]
    url: Text = Field(description="redis://host:6379/0")
    password_env: Text = Field(default="", description="Environment variable with the password.")


class HttpModel(_RemoteModel):
    """Keys and blobs on an HTTP server with the Bazel remote cache's layout."""

    type: Literal["http"]
    url: Text = Field(description="https://host/path")
    headers: dict[str, Text] = Field(default_factory=dict, description="Headers of every request.")


class RegistryCacheModel(_RemoteModel):
    """Keys as small manifests beside the images."""

    type: Literal["registry"]
    ref: Text = Field(description="Repository that holds the entries.")


class DirectoryCacheModel(_RemoteModel):
    """Keys and blobs in a directory, such as a network share."""

    type: Literal["directory"]
    path: Text = Field(description="Directory, relative to the build file.")


RemoteModel: TypeAlias = Annotated[
    RedisModel | HttpModel | RegistryCacheModel | DirectoryCacheModel, Field(discriminator="type")
]


class CacheModel(Model):
    """Where results are remembered."""

    local: LocalCacheModel = Field(default_factory=LocalCacheModel, description="The local store.")
    remotes: list[RemoteModel] = Field(
        default_factory=list, description="Shared caches, asked in this order."
    )


class RegistryModel(Model):
    """How one registry is reached."""

    mirrors: list[Text] = Field(
        default_factory=list,
        description="Asked first, in order: a host, or oci-layout:DIR with a layout a repository.",
    )
    insecure: bool | None = Field(default=None, description="Plain HTTP; the default on loopback.")
    ca: Text | None = Field(default=None, description="PEM file with its certificate authority.")
    cert: Text | None = Field(default=None, description="PEM file with the client's certificate.")
    key: Text | None = Field(default=None, description="PEM file with the client's key.")
    token_hosts: list[Text] = Field(
        default_factory=list, description="Hosts besides its own domain that may see credentials."
    )
    concurrency: int = Field(default=6, ge=1, description="Connections at once.")
    timeout: float = Field(
        default=60, gt=0, description="Seconds without a byte, or with less than 1 kB each."
    )
    retries: int = Field(default=4, ge=0, description="Attempts after the first one.")


class WhenModel(Model):
    """When a profile is active by itself."""

    env: Text = Field(description="NAME=VALUE, or NAME for any value but the empty one.")


class ProfileModel(Model):
    """Settings that --profile, or the environment, puts on top."""

    when: WhenModel | None = Field(default=None, description="When it is active without --profile.")
    set: dict[str, Any] = Field(
        default_factory=dict, description="PATTERN.KEY to value, as with --set."
    )


class DocumentModel(Model):
    """A BUILD.yaml: images, and how they are built."""

    version: Version = Field(description="The version of this format.")
    include: list[Text] = Field(
        default_factory=list,
        description="Further build files: paths or globs relative to this file.",
    )
    variables: dict[str, VariableModel] = Field(
        default_factory=dict, description="Variables, used as ${NAME}."
    )
    cache: CacheModel = Field(
        default_factory=CacheModel, description="Where results are remembered (root file)."
    )
    defaults: SettingsModel = Field(
        default_factory=SettingsModel,
        description="Settings of every image here; the root file's hold in all files.",
    )
    images: dict[str, ImageModel] = Field(
        default_factory=dict,
        description="The images; one whose name begins with _ is only there to be inherited.",
    )
    registries: dict[str, RegistryModel] = Field(
        default_factory=dict, description="How registries are reached (root file)."
    )
    groups: dict[str, list[Text]] = Field(
        default_factory=dict, description="Lists of selections: names, globs, @group, !exclude."
    )
    profiles: dict[str, ProfileModel] = Field(
        default_factory=dict, description="Sets of settings (root file)."
    )
