"""HEALTHCHECK (Dockerfile reference, "HEALTHCHECK")."""

from mkbuild.dockerfile import flags, golang
from mkbuild.dockerfile.flags import FlagError, Flags
from mkbuild.dockerfile.instructions import Command, HealthcheckCmd, HealthcheckNone
from mkbuild.dockerfile.node import Node
from mkbuild.dockerfile.shape import some
from mkbuild.errors import DockerfileError

_MILLISECOND = 1_000_000
_INT32 = 1 << 31


def read(node: Node) -> HealthcheckCmd | HealthcheckNone:
    """Read HEALTHCHECK. Raises DockerfileError."""
    some(node)
    kind, args = node.args[0].upper(), node.args[1:]
    if kind == "NONE":
        if args:
            message = "HEALTHCHECK NONE takes no arguments"
            raise DockerfileError(message, hint="write HEALTHCHECK CMD command, or NONE alone")
        return HealthcheckNone()
    given = flags.parse(
        node.flags,
        {
            "interval": "text",
            "timeout": "text",
            "start-period": "text",
            "start-interval": "text",
            "retries": "text",
        },
    )
    if kind != "CMD":
        message = f"Unknown type {golang.quote(kind)} in HEALTHCHECK (try CMD)"
        raise DockerfileError(message, hint="write HEALTHCHECK CMD command")
    if not args:
        message = "Missing command after HEALTHCHECK CMD"
        raise DockerfileError(message, hint="write HEALTHCHECK CMD command")
    return HealthcheckCmd(
        Command(argv=args) if node.json else Command(shell=" ".join(args)),
        interval=_duration(given, "interval"),
        timeout=_duration(given, "timeout"),
        start_period=_duration(given, "start-period"),
        start_interval=_duration(given, "start-interval"),
        retries=_retries(given),
    )


def _duration(given: Flags, name: str) -> int:
    text = given.text(name)
    if text is None:
        return 0
    value = golang.duration(text)
    if value is None:
        message = f"invalid duration {golang.quote(text)} for --{name}"
        raise FlagError(message, f"--{name}", hint="write a number with a unit: 30s, 1m30s")
    if value and value < _MILLISECOND:
        message = f"Interval {golang.quote(name)} cannot be less than 1ms"
        raise FlagError(message, f"--{name}", hint="write 1ms or more, or 0 for the default")
    return value


def _retries(given: Flags) -> int:
    text = given.text("retries")
    if text is None:
        return 0
    value = golang.integer(text, _INT32)
    if value is None:
        message = f"invalid number {golang.quote(text)} for --retries"
        raise FlagError(message, "--retries", hint="write a whole number")
    if value < 0:
        message = f"--retries cannot be negative ({value})"
        raise FlagError(message, "--retries", hint="write 0 for the default")
    return value
