"""ARG before the first FROM, and the platform ARGs (Dockerfile reference, ARG).

Global ARGs are seen by FROM lines alone; a stage sees one after it has declared it itself.
"""

from collections.abc import Mapping, Sequence

from mkbuild.dockerfile import words
from mkbuild.dockerfile.instructions import Arg, Statement
from mkbuild.errors import MkbuildError
from mkbuild.oci.model import Platform

PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def platform_args(
    build: Platform, target: Platform, stage: str, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the ARGs that every Dockerfile has; a build argument of the same name wins."""
    values = {
        "BUILDPLATFORM": str(build),
        "BUILDOS": build.os,
        "BUILDOSVERSION": build.os_version,
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": str(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": target.os_version,
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": stage or "default",
    }
    return {name: overrides.get(name, value) for name, value in values.items()}


def global_args(
    statements: Sequence[Statement],
    builtin: Mapping[str, str],
    overrides: Mapping[str, str],
    escape: str,
) -> dict[str, str]:
    """Return what FROM lines see: the built-in ARGs and those before the first FROM, in order."""
    scope = dict(builtin)
    for statement in statements:
        body = statement.body
        assert isinstance(body, Arg)  # noqa: S101 -- by construction
        for name, default in body.pairs:
            if name in overrides:
                scope[name] = overrides[name]
            elif default is not None:
                try:
                    scope[name] = words.expand(default, scope, escape)
                except MkbuildError as error:
                    raise error.at(statement.location) from None
    return scope


def proxy_environment(args: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what proxy build arguments put into RUN's environment, in both cases, sorted."""
    found: dict[str, str] = {}
    for name in sorted(args):
        if name.lower() in PROXIES:
            found[name.lower()] = args[name]
            found[name.upper()] = args[name]
    return tuple(sorted(found.items()))
