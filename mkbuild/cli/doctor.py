"""``mkbuild doctor``: what this machine can do, and how to fix what it cannot."""

import json
import os
import shutil
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mkbuild.cli import flags
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.network import network_checks
from mkbuild.cli.options import Command, option
from mkbuild.engine.checks import Check
from mkbuild.errors import ChecksFailedError
from mkbuild.progress.text import size

_WIDTH = 79
_LEAST_FREE = 2_000_000_000
_SUBIDS = (
    "newuidmap (package uidmap) and lines in /etc/subuid and /etc/subgid: usermod --add-subuids"
)
_FIXES = {
    "user namespaces": "sysctl user.max_user_namespaces=15000, and no AppArmor or seccomp against "
    "them; in Kubernetes: hostUsers: false",
    "subordinate ids": _SUBIDS,
    "overlayfs": "a store on ext4 or xfs: --storage DIR; Linux 5.11 where not root",
    "sealed interpreter": "sysctl vm.memfd_noexec=0, and the distribution's own python3 rather "
    "than one that brings its libraries; until then build nothing here that you do not trust",
    "limits of a RUN": "only where a build file has resources: run as root, or as "
    "systemd-run --user --scope -p Delegate=yes mkbuild …",
}


@click.command(cls=Command)
@option("--json", "as_json", group="What is shown", is_flag=True, help="As JSON.")
@flags.workspace_flags
@flags.registry_flags
@flags.shared_cache_flags
@common_options
def command(as_json: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Say what this machine can do, and how to fix what it cannot.

    Where there is a build file, also whether its registries and shared caches answer, and let this
    user in; none is waited for longer than a few seconds. A cache that is written gets an entry
    ``doctor-check``.

    Exit status 3 where no sandbox works, so that no RUN can.
    """
    from mkbuild.cli.sandboxes import fix, lines
    from mkbuild.sandbox.modes import modes

    common = take_common(params)
    checks = [*_kernel(common.storage), *_surroundings(common.storage)]
    sandboxes = modes(common.storage)
    checks += network_checks(common, params)
    if as_json:
        found = [asdict(check) for check in checks]
        found += [
            {**asdict(mode), "name": f"{mode.name} sandbox", "fix": fix(mode)} for mode in sandboxes
        ]
        click.echo(json.dumps(found, indent=2))
    else:
        for line in (*_lines(checks), "", *lines(sandboxes)):
            click.echo(line)
    if not any(mode.works for mode in sandboxes):
        raise ChecksFailedError("no sandbox works on this machine: RUN cannot")


def _kernel(storage: Path) -> list[Check]:
    from mkbuild.engine.session import make_storage
    from mkbuild.sandbox.detect import examine

    make_storage(storage)
    return [
        Check(item.name, item.works, item.detail, "" if item.works else _FIXES.get(item.name, ""))
        for item in examine(storage)
    ]


def _surroundings(storage: Path) -> list[Check]:
    free = shutil.disk_usage(storage).free
    git = shutil.which("git")
    enough = free >= _LEAST_FREE
    return [
        Check("store", os.access(storage, os.W_OK), str(storage), ""),
        Check(
            "disk",
            enough,
            f"{size(free)} free",
            "" if enough else "free some, mkbuild cache gc, or --storage DIR on another disk",
        ),
        Check(
            "git",
            git is not None,
            git or "not found",
            "" if git else "install git: git facts and git contexts need it",
        ),
    ]


def _lines(checks: list[Check]) -> list[str]:
    """Write a table that fits 80 columns: what is longer goes on below itself."""
    width = max(len(check.name) for check in checks)
    indent = " " * (width + 6)
    lines: list[str] = []
    for check in checks:
        head = f"{'ok' if check.works else 'no':3} {check.name:{width}}  "
        lines += _wrapped(check.detail, head, indent)
        if check.fix:
            lines += _wrapped(f"fix: {check.fix}", indent, indent)
    return lines


def _wrapped(text: str, first: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
