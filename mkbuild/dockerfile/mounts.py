"""``RUN --mount``: reading its value (Dockerfile reference, "RUN --mount")."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from mkbuild.dockerfile import golang, sizes, suggest
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

MountType = Literal["bind", "cache", "tmpfs", "secret", "ssh"]
Sharing = Literal["shared", "private", "locked"]

TYPES: tuple[MountType, ...] = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARINGS: tuple[Sharing, ...] = ("shared", "private", "locked")
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_KEYS = frozenset(
    {
        "type",
        "from",
        "source",
        "target",
        "readonly",
        "readwrite",
        "id",
        "sharing",
        "required",
        "size",
        "mode",
        "uid",
        "gid",
        "env",
    }
)
_FLAGS = frozenset({"readonly", "readwrite", "required"})
_UNSIGNED = 1 << 32


@frozen
class Mount:
    """One mount, expanded.

    ``readonly`` is settled: where nothing was said, bind, secret and ssh are read-only. ``size`` is
    in bytes (tmpfs, 0 without limit), ``mode`` as in chmod. ``env`` is the variable that gets a
    secret; where it is set and ``target`` is empty there is no file. ``sharing`` is None where
    nothing was said, which means shared.
    """

    type: MountType = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    readonly: bool = True
    id: str = ""
    sharing: Sharing | None = None
    required: bool = False
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    size: int = 0
    env: str | None = None

    def credential(self, target: str) -> str:
        """Return the id of the secret that is meant, or ``ssh:`` and that of an agent.

        ``target``: where it is mounted; its last part is the id of a secret that has no other.
        """
        name = self.source or self.id
        if self.type == "ssh":
            return f"ssh:{name or 'default'}"
        return name or target.rpartition("/")[2]


@dataclass(slots=True)
class _Draft:
    """What the fields said so far: order counts, ``required`` looks at the type before it."""

    raw: str
    type: MountType = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    readonly: bool | None = None
    id: str = ""
    sharing: Sharing | None = None
    required: bool = False
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    size: int = 0
    env: str | None = None


def precheck(raw: str) -> None:
    """Check what must hold before any variable is known: the CSV, and a constant ``from``.

    Raises DockerfileError, to be located by the caller.
    """
    for text in _fields(raw):
        key, equals, value = text.partition("=")
        if equals and key.lower() == "from" and "$" in value[:-1]:
            message = "'from' doesn't support variable expansion, define alias stage instead"
            raise DockerfileError(message, hint="write FROM $NAME AS name, and from=name")


def from_of(raw: str) -> str:
    """Return what ``from`` names, empty where nothing does: known before any variable is."""
    fields = (text.partition("=") for text in _fields(raw))
    return next((value for key, _, value in fields if key.lower() == "from"), "")


def parse(raw: str, expand: Callable[[str], str]) -> Mount:
    """Read ``type=cache,target=/x``; every value is expanded, keys and bare words are not.

    Raises DockerfileError, to be located by the caller.
    """
    draft = _Draft(raw)
    for text in _fields(raw):
        key, equals, value = text.partition("=")
        lower = key.lower()
        name = _ALIASES.get(lower, lower)
        if not equals:
            _set_bare(draft, name, lower, text)
            continue
        _set(draft, name, lower, expand(value), text)
    _check(draft)
    readonly = draft.readonly
    return Mount(
        type=draft.type,
        from_=draft.from_,
        source=draft.source,
        target=draft.target,
        readonly=draft.type not in {"cache", "tmpfs"} if readonly is None else readonly,
        id=draft.id,
        sharing=draft.sharing,
        required=draft.required,
        uid=draft.uid,
        gid=draft.gid,
        mode=draft.mode,
        size=draft.size,
        env=draft.env,
    )


def _set_bare(draft: _Draft, name: str, key: str, text: str) -> None:
    if name not in _FLAGS:
        message = f"invalid field '{text}' must be a key=value pair"
        raise DockerfileError(message, hint=_hint(key) or f"write {text}=…")
    if name == "required":
        draft.required = _for_credentials(draft, key, value=True)
    else:
        draft.readonly = name == "readonly"


def _set(draft: _Draft, name: str, key: str, value: str, text: str) -> None:  # noqa: C901, PLR0912 -- one arm a key
    match name:
        case "type":
            draft.type = cast("MountType", _choice(value, TYPES, "unsupported mount type"))
        case "from":
            draft.from_ = value
        case "source":
            draft.source = value
        case "target":
            draft.target = value
        case "readonly":
            draft.readonly = _boolean(key, value)
        case "readwrite":
            draft.readonly = not _boolean(key, value)
        case "required":
            draft.required = _for_credentials(draft, key, value=_boolean(key, value))
        case "size":
            draft.size = _size(draft, value)
        case "id":
            draft.id = value
        case "sharing":
            draft.sharing = cast("Sharing", _choice(value, SHARINGS, "unsupported sharing value"))
        case "mode":
            draft.mode = _number(key, value, 8)
        case "uid":
            draft.uid = _number(key, value, 10)
        case "gid":
            draft.gid = _number(key, value, 10)
        case "env":
            draft.env = value
        case _:
            message = f"unexpected key '{key}' in '{text}'"
            raise DockerfileError(message, hint=_hint(key))


def _hint(key: str) -> str:
    known = sorted({*_KEYS, *_ALIASES})
    return suggest.hint(key, known) or "known keys: " + ", ".join(sorted(_KEYS))


def _choice(value: str, allowed: tuple[str, ...], refusal: str) -> str:
    if value.lower() in allowed:
        return value.lower()
    hint = suggest.hint(value, allowed) or "one of: " + ", ".join(allowed)
    message = f"{refusal} {golang.quote(value)}"
    raise DockerfileError(message, hint=hint)


def _boolean(key: str, value: str) -> bool:
    found = golang.boolean(value)
    if found is None:
        message = f"invalid value for {key}: {value}"
        raise DockerfileError(message, hint="write true or false")
    return found


def _for_credentials(draft: _Draft, key: str, *, value: bool) -> bool:
    if draft.type not in {"secret", "ssh"}:
        message = f"unexpected key '{key}' for mount type '{draft.type}'"
        raise DockerfileError(message, hint="give the type first: type=secret or type=ssh")
    return value


def _size(draft: _Draft, value: str) -> int:
    if draft.type != "tmpfs":
        message = f"unexpected key 'size' for mount type '{draft.type}'"
        raise DockerfileError(message, hint="give the type first: type=tmpfs")
    size = sizes.parse(value)
    if size is None:
        message = f"invalid value for size: {value}"
        raise DockerfileError(message, hint="write a number of bytes, or 64m, 1g, …")
    return size


def _number(key: str, value: str, base: int) -> int:
    digits = "01234567" if base == 8 else "0123456789"  # noqa: PLR2004 -- octal
    number = -1
    if value and not value.strip(digits) and len(value.lstrip("0")) <= 11:  # noqa: PLR2004 -- 2^32 in octal
        number = int(value, base)
    if not 0 <= number < _UNSIGNED:
        message = f"invalid value {value} for {key}"
        hint = "write an octal mode, e.g. 0755" if key == "mode" else "write a number"
        raise DockerfileError(message, hint=hint)
    return number


def _check(draft: _Draft) -> None:
    if draft.type in {"bind", "tmpfs"}:
        for key, value in (("mode", draft.mode), ("uid", draft.uid), ("gid", draft.gid)):
            if value is not None:
                message = f"{key} not allowed for {golang.quote(draft.type)} type mounts"
                raise DockerfileError(message, hint="cache, secret and ssh mounts have it")
    if draft.type == "secret":
        _check_secret(draft)
    if draft.sharing is not None and draft.type != "cache":
        message = f"invalid cache sharing set for {draft.type} mount"
        raise DockerfileError(message, hint="only type=cache is shared")


def _check_secret(draft: _Draft) -> None:
    if draft.from_:
        message, hint = "secret mount should not have a from", "a secret is named by its id"
    elif draft.sharing is not None:
        message, hint = "secret mount should not define sharing", "only type=cache is shared"
    elif not (draft.source or draft.target or draft.id):
        message, hint = "invalid secret mount. one of source, target required", "give id=…"
    elif draft.source and draft.id:
        message, hint = "both source and id can't be set", "they mean the same: give one"
    else:
        return
    raise DockerfileError(message, hint=hint)


def _fields(raw: str) -> list[str]:
    """Split one line of CSV (RFC 4180) strictly: a quote stands only around a whole field."""
    line = raw.removesuffix("\n").removesuffix("\r") if raw.endswith("\n") else raw
    if not line:
        message = "failed to parse csv mounts: EOF"
        raise DockerfileError(message, hint="write --mount=type=…,target=…")
    fields: list[str] = []
    position = 0
    while True:
        field, position = _field(line, position)
        fields.append(field)
        if position >= len(line):
            return fields
        position += 1
        if position == len(line):
            return [*fields, ""]


def _field(line: str, position: int) -> tuple[str, int]:
    if not line.startswith('"', position):
        end = line.find(",", position)
        end = len(line) if end < 0 else end
        if '"' in line[position:end]:
            raise _bad_csv(line.index('"', position), 'bare " in non-quoted field')
        return line[position:end], end
    out: list[str] = []
    position += 1
    while (end := line.find('"', position)) >= 0:
        out.append(line[position:end])
        position = end + 1
        if line.startswith('"', position):
            out.append('"')
            position += 1
        elif position == len(line) or line[position] == ",":
            return "".join(out), position
        else:
            raise _bad_csv(end, 'extraneous or missing " in quoted field')
    raise _bad_csv(position, 'extraneous or missing " in quoted field')


def _bad_csv(position: int, reason: str) -> DockerfileError:
    message = f"failed to parse csv mounts: column {position + 1}: {reason}"
    return DockerfileError(message, hint="quote a field that holds a comma as a whole")
