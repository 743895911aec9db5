"""``mkbuild log``: past runs, what ran in one of them, and what it spent its time on."""

import json
import os
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli.common import common_options, default_storage, take_common
from mkbuild.cli.options import Command, option
from mkbuild.cli.writing import room, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mkbuild.cli.common import Common
    from mkbuild.engine.log import Run

_SHOWN = "What is shown"
_NUMBER = 20
_LATEST = "latest"
_SHARE = 0.005
"""Of the duration: what took less is left out where people read."""
_BAD = {"interrupted": "stopped"}
"""What a run that did not go well came to, by its error, where it did not fail."""
_WAITED = 0.1
"""Seconds: less than this is no waiting worth a word."""


class LogCommand(Command):
    """Reads ``-1`` as the latest run, ``-2`` as the one before, wherever a run is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments."""
        asked = [w for w in args if w in _ABOUT_ONE or w.partition("=")[0] == "--html"]
        return super().parse_args(ctx, [_run(word) for word in args] if asked else args)


def _run(word: str) -> str:
    number = word[1:]
    back = word.startswith("-") and number.isdecimal() and int(number) > 0
    return f"{_LATEST}~{int(number) - 1}" if back else word


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer targets and the two words; after one of these, runs."""
    from mkbuild.cli.asking import complete_selection
    from mkbuild.engine.log import Log

    before = context.params.get("what") or ()
    if (before and before[0] in _ABOUT_ONE) or context.params.get("html"):
        here, place = Path.cwd(), context.params.get("storage")
        log = Log(here / place if place else default_storage(os.environ))
        runs = [run.name for run in islice(log.runs(incomplete), _NUMBER)]
        return [*([_LATEST] if _LATEST.startswith(incomplete) else []), *runs]
    words = [word for word in _ABOUT_ONE if word.startswith(incomplete)]
    return [*words, *complete_selection(context, parameter, incomplete)]


@click.command(cls=LogCommand)
@click.argument(
    "what",
    nargs=-1,
    metavar="[TARGET… | what-ran [RUN] | critical-path [RUN]]",
    shell_complete=_complete,
)
@option(
    "-n", "--number", group=_SHOWN, type=click.IntRange(min=1), metavar="N", help="The last N (20)."
)
@option("-a", "--all", "everywhere", group=_SHOWN, is_flag=True, help="Of all workspaces.")
@option("--json", "as_json", group=_SHOWN, is_flag=True, help="As JSON.")
@option("--html", group=_SHOWN, metavar="FILE", help="Write RUN as a page to look at.")
@common_options
def command(
    what: tuple[str, ...],
    number: int | None,
    everywhere: bool,  # noqa: FBT001 - click's way
    as_json: bool,  # noqa: FBT001 - click's way
    html: str | None,
    **params: Any,
) -> None:
    """Show past runs of this workspace, newest first: all, or those that were to build a TARGET.

    what-ran lists the steps of a run, critical-path those that it had to wait for. RUN is a run's
    name, the beginning of one, latest (the default), latest~1 or -2 for the one before, and so on.
    """
    from mkbuild.engine.log import Log
    from mkbuild.errors import UsageError

    common = take_common(params)
    log = Log(common.storage)
    place = "" if everywhere else _workspace(common)
    about = _ABOUT_ONE.get(what[0]) if what else None
    if html is not None:
        if about is not None or len(what) > 1:
            raise UsageError("--html is about one run", hint="mkbuild log --html FILE [RUN]")
        _write_page(log.find(what[0] if what else _LATEST, place), html)
    elif about is None:
        runs = (run for run in log.runs(place=place) if _wanted(run, what))
        _list(list(islice(runs, min(number or _NUMBER, sys.maxsize))), as_json=as_json)
    elif len(what) > 2:  # noqa: PLR2004 - the word and the run
        raise UsageError(f"{what[0]} is about one run, not {len(what) - 1}")
    else:
        about(log.find(what[1] if what[1:] else _LATEST, place), as_json=as_json)


def _workspace(common: "Common") -> str:
    """Return the directory of the workspace; empty where there is none, so that all runs count."""
    from mkbuild.engine.workspace import find_root
    from mkbuild.errors import UserError

    if common.file is not None:
        return str((common.directory / common.file).parent)
    try:
        return str(find_root(common.directory).parent)
    except UserError:
        return ""


def _wanted(run: "Run", targets: tuple[str, ...]) -> bool:
    from fnmatch import fnmatchcase

    labels = run.record.document["wanted"]
    return not targets or any(fnmatchcase(label, t) for label in labels for t in targets)


def _list(runs: "Sequence[Run]", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_summary(run) for run in runs], indent=2))
    elif runs:
        _print_list(runs)
    else:
        click.echo("no such run yet", err=True)


def _print_list(runs: "Sequence[Run]") -> None:
    from mkbuild.progress import text

    names = _short([run.name for run in runs])
    width = max(len("RUN (UTC)"), *map(len, names))
    heads = f"{'RUN (UTC)':{width}}  RESULT    TIME   RAN   HIT  {'GIT':8}  TARGETS"
    click.echo(text.fit(heads, room()))
    for name, row in zip(names, map(_summary, runs), strict=True):
        sha = (row["git"]["sha"] or "")[:7] + "+" * (row["git"]["dirty"] == "true")
        shown = (
            f"{name:{width}}  {row['result']:7} {text.seconds(row['seconds']):>6} {row['ran']:>5} "
            f"{row['hits']:>5}  {sha or '-':8}  "
        )
        shown += text.fit(" ".join(row["targets"]), room(len(shown) + 1))
        click.echo(text.fit(shown, room()))


def _short(names: "Sequence[str]") -> list[str]:
    """Leave the process out of names where the time tells them apart."""
    times = [name.partition("-")[0] for name in names]
    return [t if times.count(t) == 1 else name for t, name in zip(times, names, strict=True)]


def _summary(run: "Run") -> dict[str, Any]:
    """Return a run as one object; what did nothing ran nothing, and says nothing of git."""
    document = run.record.document
    statuses = [step["status"] for step in document["steps"].values()]
    ran, hits = statuses.count("ran"), sum(status.startswith("hit") for status in statuses)
    nowhere = {"sha": None, "dirty": None}
    return {
        "name": run.name,
        "result": "ok" if document["ok"] else _BAD.get(document["error"], "failed"),
        "seconds": run.seconds,
        "ran": 0 if run.again else ran,
        "hits": ran + hits if run.again else hits,
        "failed": statuses.count("failed"),
        "skipped": statuses.count("skipped"),
        "git": nowhere if run.again else document["git"],
        "targets": document["wanted"],
        "workspace": document["workspace"],
        "repeats": run.record.name if run.again else "",
        "error": document["error"],
    }


def _what_ran(run: "Run", *, as_json: bool) -> None:
    from mkbuild.progress import text

    rows = [_step(step, again=run.again) for step in run.record.document["steps"].values()]
    if as_json:
        click.echo(json.dumps({**_summary(run), "steps": rows}, indent=2))
        return
    _headline(run)
    for row in rows:
        took = text.seconds(row["seconds"]) if row["seconds"] else ""
        stage = f"[{row['stage']}] " if row["stage"] else ""
        name = text.one_line(f"{row['target']} {stage}{row['instruction']}")
        click.echo(f"  {row['status']:<10}  {took:>6}  {text.fit(name, room(22))}")
        ran = row["status"] in ("ran", "failed")
        note = f"from {row['source']}" if row["source"] else row["why"] if ran else ""
        if note:
            click.echo(f"  {'':<10}  {'':>6}    {text.fit(text.one_line(note), room(24))}")


def _step(step: "Mapping[str, Any]", *, again: bool) -> dict[str, Any]:
    names = ("target", "stage", "instruction", "location", "key", "status", "source", "why")
    shown = {name: step.get(name, "") for name in (*names, "begin", "seconds")}
    return shown | _STOOD if again else shown


_STOOD = {"status": "hit-local", "source": "", "why": "", "begin": 0.0, "seconds": 0.0}
"""A step of a run that did nothing, since its result still stood."""


def _critical_path(run: "Run", *, as_json: bool) -> None:
    from mkbuild.progress import text
    from mkbuild.progress.timeline import critical_path, read

    links = [] if run.again else critical_path(read(run.record.document))
    rows = [
        {
            "kind": link.bar.kind,
            "name": link.bar.title,
            "key": link.bar.key,
            "target": link.bar.entry.get("target", ""),
            "location": link.bar.entry.get("location", ""),
            "begin": link.bar.begin,
            "seconds": link.bar.seconds,
            "waited": round(link.waited, 3),
            "share": round(link.share, 4),
        }
        for link in links
    ]
    if as_json:
        click.echo(json.dumps({**_summary(run), "path": rows}, indent=2))
        return
    _headline(run)
    for row in rows:
        if row["share"] < _SHARE:
            continue
        name = text.one_line(f"{row['target']} {row['name']}".strip())
        waited = f" (waited {text.seconds(row['waited'])})" if row["waited"] >= _WAITED else ""
        click.echo(
            f"  {text.seconds(row['seconds']):>6} {row['share']:>4.0%}  "
            f"{text.fit(name, room(16 + len(waited)))}{waited}"
        )


def _write_page(run: "Run", file: str) -> None:
    from mkbuild.pages.run import run_page
    from mkbuild.pages.story import Story

    story = Story(run.name, run.seconds, run.record.document, again=run.again)
    write(run_page(story), file)


def _headline(run: "Run") -> None:
    from mkbuild.progress import text

    row = _summary(run)
    what = "nothing to do" if run.again else f"{row['ran']} ran, {row['hits']} hit"
    click.echo(f"{row['name']}  {row['result']}  {text.seconds(row['seconds'])}  {what}")
    if row["error"]:
        click.echo(f"  {text.fit(text.one_line(row['error']), room(4))}")


_ABOUT_ONE = {"what-ran": _what_ran, "critical-path": _critical_path}
