"""The flags of ``build``, shared with its relatives, by group."""

import os

import click

from mkbuild.cli.options import combine, option

WORKSPACE = "Build files"
INPUT = "What is built"
RUN = "How it runs"
RESULT = "Where results go"
CACHE = "Caches"
LONE = "A lone Dockerfile (DIR as the selection)"
MAKISU = "Makisu"


def default_jobs() -> int:
    """Return two more than the processors that this process may use.

    Steps wait for networks and disks: as in ninja, there is work for all processors meanwhile.
    """
    return len(os.sched_getaffinity(0)) + 2


workspace_flags = combine(
    option("--set", group=WORKSPACE, multiple=True, metavar="PATTERN.KEY=V", help="Change images."),
    option("--var", group=WORKSPACE, multiple=True, metavar="K=V", help="Set a variable."),
    option(
        "-p", "--profile", group=WORKSPACE, multiple=True, metavar="NAME", help="Use a profile."
    ),
)

_since = option("--since", group=INPUT, metavar="REF", help="Only what changed since a git ref.")
_offline = option("--offline", group=INPUT, is_flag=True, help="Open no connection.")
_registries = option(
    "--registries", group=INPUT, metavar="FILE", help="Registries and their mirrors."
)
_registry_config = option(
    "--registry-config", group=MAKISU, metavar="FILE|JSON", help="Makisu's registries."
)
registry_flags = combine(_registries, _registry_config)
"""What verbs take that only talk to registries."""

since_flags = combine(_since, _offline, _registries, _registry_config)
"""What verbs take that build nothing, and can be asked what a git ref differs in."""

against_flag = option(
    "--against",
    group=INPUT,
    metavar="RUN|REF",
    help="What changes are told against: a run of the log, a git ref; by default the last build.",
)

input_flags = combine(
    workspace_flags,
    _since,
    option("--platform", group=INPUT, multiple=True, metavar="OS/ARCH", help="Platforms."),
    option(
        "--timestamps", group=INPUT, metavar="epoch|preserve|SECONDS", help="Times of files made."
    ),
    option("--locked/--no-locked", group=INPUT, default=None, help="Insist on BUILD.lock."),
    option("--pull", group=INPUT, is_flag=True, help="Resolve tags of bases anew."),
    _offline,
    _registries,
)

run_flags = combine(
    option(
        "-j",
        "--jobs",
        group=RUN,
        type=click.IntRange(min=1),
        default=default_jobs,
        show_default="processors + 2",
        metavar="N",
        help="Job slots.",
    ),
    option("-k", "--keep-going", group=RUN, is_flag=True, help="Go on with what did not fail."),
    option(
        "--sandbox",
        group=RUN,
        type=click.Choice(["auto", "namespace", "chroot", "modifyfs"]),
        default="auto",
        help="How RUN is boxed.",
    ),
    option(
        "--network",
        group=RUN,
        type=click.Choice(["default", "none", "host"]),
        help="RUN's network.",
    ),
    option("--allow", group=RUN, multiple=True, metavar="RIGHT", help="As security.insecure."),
    option("-d", "--debug", group=RUN, type=click.Choice(["explain"]), help="Say why steps run."),
)

build_flags = combine(
    against_flag,
    option("-n", "--dry-run", group=RUN, is_flag=True, help="Only say what would run."),
    option("-q", "--question", group=RUN, is_flag=True, help="Only exit: 1 where out of date."),
    option("-i", "--interactive", group=RUN, is_flag=True, help="A shell where a step fails."),
    option("--plan", group=RUN, metavar="FILE", help="Refuse to do more than this plan."),
    option("--expect-cached", group=RUN, is_flag=True, help="Fail where a step would run."),
    option("--print", "print_only", group=RUN, is_flag=True, help="Print the images as JSON."),
    option("--list", "list_only", group=RUN, is_flag=True, help="List the images selected."),
)

result_flags = combine(
    option(
        "--push",
        group=RESULT,
        multiple=True,
        metavar="[=REGISTRY]",
        help="Push tags; with =REGISTRY (repeatable) there.",
    ),
    option("--load", group=RESULT, is_flag=True, help="Hand over to docker or podman."),
    option(
        "-o", "--output", group=RESULT, multiple=True, metavar="type=oci,dest=…", help="Write it."
    ),
    option("--metadata-file", group=RESULT, metavar="FILE", help="Digests and steps, as JSON."),
    option("--iidfile", group=RESULT, metavar="FILE", help="Write the image ID."),
    option("--trace", group=RESULT, metavar="FILE", help="Write a Chrome trace of the run."),
    option("--junit", group=RESULT, metavar="FILE", help="Write the run as JUnit XML."),
)

shared_cache_flags = combine(
    option("--redis-cache-addr", group=CACHE, metavar="HOST:PORT", help="Redis."),
    option("--redis-cache-password", group=CACHE, metavar="TEXT", help="Its password."),
    option("--redis-cache-ttl", group=CACHE, metavar="TIME", help="0 disables (336h)."),
    option("--http-cache-addr", group=CACHE, metavar="URL", help="HTTP key-value store."),
    option(
        "--http-cache-header", group=CACHE, multiple=True, metavar="NAME:VALUE", help="Its headers."
    ),
)
"""Caches that Makisu's flags name."""

cache_flags = combine(
    option("-B", "--always", group=CACHE, is_flag=True, help="Run all again, replace entries."),
    option("--no-cache", group=CACHE, is_flag=True, help="Use no cached step."),
    option(
        "--no-cache-filter", group=CACHE, multiple=True, metavar="STAGE", help="… of these stages."
    ),
    option("--local-cache-ttl", group=CACHE, metavar="TIME", help="0 disables (336h)."),
    shared_cache_flags,
)

lone_flags = combine(
    option("-t", "--tag", group=LONE, multiple=True, metavar="NAME", help="Names of the image."),
    option("--target", group=LONE, metavar="STAGE", help="The stage to build."),
    option("--build-arg", group=LONE, multiple=True, metavar="K=V", help="Build arguments."),
    option("--label", group=LONE, multiple=True, metavar="K=V", help="Labels."),
    option(
        "--build-context", group=LONE, multiple=True, metavar="NAME=SOURCE", help="More contexts."
    ),
    option("--secret", group=LONE, multiple=True, metavar="id=…", help="Secrets for RUN."),
    option("--ssh", group=LONE, multiple=True, metavar="ID[=PATH]", help="Agents for RUN."),
    option("--add-host", group=LONE, multiple=True, metavar="HOST:IP", help="More /etc/hosts."),
)

makisu_flags = combine(
    option("--commit", group=MAKISU, type=click.Choice(["implicit", "explicit"]), help="Layers."),
    option(
        "--modifyfs",
        group=MAKISU,
        type=click.Choice(["true", "false", "force"]),
        metavar="[=force]",
        help="RUN may take over /; with =force even where it looks like a host's.",
    ),
    option("--preserve-root", group=MAKISU, is_flag=True, help="Put / back afterwards."),
    option(
        "--blacklist", group=MAKISU, multiple=True, metavar="[!]PATH", help="Left out of layers."
    ),
    option("--dest", group=MAKISU, metavar="FILE", help="Write a docker-save tar."),
    option("--replica", group=MAKISU, multiple=True, metavar="NAME", help="Push there as well."),
    _registry_config,
    option("--docker-host", group=MAKISU, metavar="URL", help="Where --load goes."),
    option(
        "--compression",
        group=MAKISU,
        type=click.Choice(["no", "speed", "size", "default", "gzip", "zstd", "none"]),
        help="Of layers.",
    ),
    option("--docker-version", group=MAKISU, hidden=True),
    option("--docker-scheme", group=MAKISU, hidden=True),
)
