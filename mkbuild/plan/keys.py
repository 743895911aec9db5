"""Keys: digests of all that can influence a step's result (DESIGN section 5).

A *definition key* names a step by its parents' definition keys, so it is known before anything
runs; a *content key* names it by the states and bytes that it reads, so it hits however those came
about. Both are digests of named components, which are kept, so that the first
that differs can be named. What depends on the machine or the moment (files, secrets, the clock)
comes in as values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field

from mkbuild import digest as digests
from mkbuild.action import ActionKey, StateID, StatePair
from mkbuild.digest import Canonical, Digest
from mkbuild.dockerfile.mounts import Mount
from mkbuild.frozen import frozen
from mkbuild.oci.model import Platform
from mkbuild.plan.actions import Action, ContextInput, RunBody

VERSION = "mkbuild.action.v1"


@frozen
class Policy:
    """Settings of the whole build that reach into every result.

    ``epoch``: the time that files get, None to keep theirs; ``blacklist``: paths left out;
    ``preserve_root``: Makisu's flag.
    """

    epoch: int | None = 315532800
    blacklist: tuple[str, ...] = ()
    preserve_root: bool = False

    def canonical(self) -> Canonical:
        """Return the policy as it enters keys."""
        return [self.epoch, list(self.blacklist), self.preserve_root]


@frozen
class Components:
    """What a key is made of, by name, in order of how readable a difference is."""

    values: Mapping[str, Canonical] = field(default_factory=dict)

    def key(self) -> ActionKey:
        """Digest all components."""
        return ActionKey(digests.of_value(VERSION, self.values))


def base_state(diff_ids: Sequence[Digest], platform: Platform) -> StateID:
    """Return the state of an image from outside: its layers and platform, never its name."""
    return StateID(digests.of_value("mkbuild.base.v1", [list(diff_ids), str(platform)]))


def next_state(before: StateID, toc: Digest | None) -> StateID:
    """Return the state after a step; a step that changed nothing leads nowhere else."""
    if toc is None:
        return before
    return StateID(digests.of_value("mkbuild.state.v1", [before, toc]))


COMPRESSIONS = ("gzip", "zstd", "none", "speed", "size")
"""The ways in which a layer can be compressed, the usual one first."""


def layer_pair(before: StateID, after: StateID, compression: str) -> StatePair:
    """Return what a layer is remembered by: its states, and how it is compressed where unusual."""
    if compression == COMPRESSIONS[0]:
        return before, after
    return before, StateID(digests.of_value("mkbuild.compressed.v1", [after, compression]))


def components(
    action: Action,
    parents: Sequence[str],
    parts: Sequence[Digest | None],
    policy: Policy,
    secrets: Mapping[str, str],
) -> Components:
    """Return the components of an action's key.

    ``parents``: definition keys or states of ``inputs(action)``, in order; ``parts``: digests of
    what the action reads of its sources, None where only the parents tell; ``secrets``: ids of the
    secrets and agents that are there (those as ``ssh:ID``), each with where it comes from where
    that tells it from others of the same id.
    """
    body = action.body
    values: dict[str, Canonical] = {"instruction": type(body).__name__}
    if isinstance(body, RunBody):
        values |= {
            "command": list(body.argv),
            "script": list(body.script or ()),
            "environment": [f"{name}={value}" for name, value in body.env],
            "workdir": body.cwd,
            "user": body.user,
            "network": body.network,
            "security": body.security,
            "hosts": [list(pair) for pair in body.hosts],
            "mounts": [_mount(m.mount, m.target, m.source, secrets) for m in body.mounts],
        }
    else:
        values |= {
            name: getattr(body, name) for name in body.__dataclass_fields__ if name != "location"
        }
    values |= {
        "platform": str(action.platform),
        "files": list(parts),
        "parents": list(parents),
        "policy": policy.canonical(),
    }
    return Components(values)


def _mount(mount: Mount, target: str, source: object, secrets: Mapping[str, str]) -> Canonical:
    """A mount as it enters keys: its options and whether a secret is there, never its value."""
    credential = mount.credential(target) if mount.type in {"secret", "ssh"} else ""
    origin = secrets.get(credential)
    return {
        "type": mount.type,
        "target": target,
        "source": mount.source,
        "origin": "context" if isinstance(source, ContextInput) else "state" if source else "",
        "readonly": mount.readonly,
        "id": mount.id,
        "present": origin or origin is not None,
        "required": mount.required,
        "uid": mount.uid,
        "gid": mount.gid,
        "mode": mount.mode,
        "size": mount.size,
        "env": mount.env,
        "sharing": mount.sharing,
    }
