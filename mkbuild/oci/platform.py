"""Platforms: spelling, aliases, and which manifest of an index serves which platform.

Names and preference order are containerd's, so that the same index gives the same image.
"""

import re

from mkbuild.errors import PullError, UserError
from mkbuild.oci.model import Descriptor, Index, Platform

_PART = re.compile(r"[A-Za-z0-9_.-]+\Z")
_ARCHITECTURES = {
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv5l": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v8"),
}
_KNOWN = re.compile(r"386|amd64|arm|arm64|loong64|mips(64)?(le)?|ppc64(le)?|riscv64|s390x|wasm")
"""Go's names of architectures: what may stand without a system."""
_SYSTEMS = {"macos": "darwin"}
_BARE_SYSTEMS = frozenset({"linux", "windows", "darwin", "macos", "freebsd"})
_ATTESTATION = "vnd.docker.reference.type"


def parse(text: str, default: Platform | None = None) -> Platform:
    """Read ``os[/arch[/variant]]`` or ``arch[/variant]``; what is missing comes from ``default``.

    Raises UserError.
    """
    default = default or Platform()
    parts = text.strip().split("/")
    if len(parts) > 3 or not all(_PART.match(part) for part in parts):  # noqa: PLR2004
        raise UserError(
            f"invalid platform {text!r}", hint="write it as linux/amd64 or linux/arm/v7"
        )
    if len(parts) == 1 and parts[0].lower() in _BARE_SYSTEMS:
        return normalise(Platform(parts[0], default.architecture, default.variant))
    if len(parts) == 1 and not _is_architecture(parts[0]):
        raise UserError(
            f"invalid platform {text!r}: no operating system or architecture is known by that name",
            hint="write it in full, as linux/amd64 or linux/arm/v7",
        )
    if len(parts) == 1 or (parts[0].lower() not in _BARE_SYSTEMS and _is_architecture(parts[0])):
        return normalise(Platform(default.os, parts[0], parts[1] if len(parts) > 1 else ""))
    return normalise(Platform(parts[0], parts[1], parts[2] if len(parts) > 2 else ""))  # noqa: PLR2004


def _is_architecture(text: str) -> bool:
    return text.lower() in _ARCHITECTURES or _KNOWN.fullmatch(text.lower()) is not None


def host(machine: str, system: str = "linux") -> Platform:
    """Platform of a machine as ``uname -m`` names it (``x86_64``, ``aarch64``, ``armv7l``)."""
    return normalise(Platform(system, machine))


def normalise(platform: Platform) -> Platform:
    """Bring every spelling of a platform to one: ``linux/aarch64/v8`` is ``linux/arm64``."""
    system = _SYSTEMS.get(platform.os.lower(), platform.os.lower())
    architecture = platform.architecture.lower()
    variant = platform.variant.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    variant = variant or implied
    if variant.isdigit():
        variant = f"v{variant}"
    match architecture, variant:
        case ("arm64", "v8") | ("amd64", "v1"):
            variant = ""
        case ("arm", ""):
            variant = "v7"
        case _:
            pass
    return Platform(system, architecture, variant, platform.os_version)


def candidates(platform: Platform) -> tuple[Platform, ...]:
    """Platforms whose images run on ``platform``, the best one first."""
    wanted = normalise(platform)
    system, version = wanted.os, wanted.os_version
    pairs: list[tuple[str, str]] = [(wanted.architecture, wanted.variant)]
    match wanted.architecture:
        case "amd64":
            pairs += _below("amd64", _level(wanted, 1), 1)
            pairs.append(("386", ""))
        case "arm64":
            pairs += _below("arm64", _level(wanted, 8), 8)
            pairs += _below("arm", 9, 5)
        case "arm":
            pairs += _below("arm", _level(wanted, 7), 5)
        case _:
            pass
    return tuple(normalise(Platform(system, arch, variant, version)) for arch, variant in pairs)


def _below(architecture: str, level: int, lowest: int) -> list[tuple[str, str]]:
    return [(architecture, f"v{lower}") for lower in range(level - 1, lowest - 1, -1)]


def _level(platform: Platform, default: int) -> int:
    digits = platform.variant.removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdigit() else default


def matches(wanted: Platform, offered: Platform) -> bool:
    """Whether an image of platform ``offered`` runs on ``wanted``."""
    return _rank(candidates(wanted), offered) is not None


def _rank(order: tuple[Platform, ...], offered: Platform) -> int | None:
    found = normalise(offered)
    for rank, candidate in enumerate(order):
        same = (candidate.os, candidate.architecture, candidate.variant) == (
            found.os,
            found.architecture,
            found.variant,
        )
        if same and (not candidate.os_version or candidate.os_version == found.os_version):
            return rank
    return None


def select(index: Index, platform: Platform) -> Descriptor:
    """Pick the manifest for a platform: the best match, the first of equals.

    Attestations (``unknown/unknown``) are no images. A lone manifest that names no platform is
    taken: its config is the judge. Raises PullError that lists what there is.
    """
    images = [manifest for manifest in index.manifests if not _is_attestation(manifest)]
    order = candidates(platform)
    ranked = [
        (rank, position, manifest)
        for position, manifest in enumerate(images)
        if manifest.platform is not None and (rank := _rank(order, manifest.platform)) is not None
    ]
    if ranked:
        return min(ranked, key=lambda item: item[:2])[2]
    if len(images) == 1 and images[0].platform is None:
        return images[0]
    offered = ", ".join(sorted({str(m.platform) for m in images if m.platform})) or "none"
    raise PullError(
        f"no image for {normalise(platform)} in the index {index.digest}; it has: {offered}",
        hint="choose one of them with --platform",
    )


def _is_attestation(descriptor: Descriptor) -> bool:
    platform = descriptor.platform
    unknown = platform is not None and platform.os == platform.architecture == "unknown"
    return unknown or _ATTESTATION in descriptor.annotations
