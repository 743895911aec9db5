"""How answers of why look: short first, whole on -v, never wider than 80 columns."""

from dataclasses import replace

from mkbuild.cli.why import lines
from mkbuild.engine.why import Answer, Past, Reason
from mkbuild.plan.sides import Step

RUN = Past("run", "20261124T081554.123-4711")
STEP = Step("k", "api", "final", "COPY a /", "api/Dockerfile:3:1", {})
OTHER = replace(STEP, target="tool", instruction="RUN make \\\n    all", location="D:2:1")
REASON = Reason(("a: sha256 1… → 2…",), (OTHER, STEP))


def shown(*, verbose: bool = False, **members: object) -> list[str]:
    answer = replace(Answer("api", "steps", RUN), **members)  # type: ignore[arg-type]
    return list(lines(answer, verbose=verbose))


def test_the_first_reason_has_its_way_to_the_image() -> None:
    others = [Reason((f"file{n}: added", f"gone{n}: removed"), (STEP,)) for n in range(8)]
    assert shown(reasons=(REASON, *others), settings=("LABEL a: 1 → 2",)) == [
        "api differs from run 20261124T081554.123-4711:",
        "  a: sha256 1… → 2…",
        "    D:2:1  tool RUN make",
        "    api/Dockerfile:3:1  COPY a /",
        "    → api",
        *(f"  file{n}: added" for n in range(5)),
        "  and 3 changes more (-v shows them)",
        "  LABEL a: 1 → 2",
    ]
    whole = shown(verbose=True, reasons=(REASON, *others))
    assert whole.count("    → api") == 9
    assert "  gone7: removed" in whole


def test_many_files_of_one_reason() -> None:
    many = Reason(tuple(f"file{n}: added" for n in range(20)), (STEP,))
    assert shown(reasons=(many,))[6] == "  and 15 changes more (-v shows them)"
    assert len(shown(verbose=True, reasons=(many,))) == 23


def test_other_verdicts() -> None:
    assert shown(verdict="same") == [
        "api is up to date: the same as in run 20261124T081554.123-4711"
    ]
    assert shown(verdict="settings", settings=("CMD: a → b",)) == [
        "api differs from run 20261124T081554.123-4711, but no step has to run:",
        "  CMD: a → b",
    ]
    assert shown(verdict="not-cached", missing=(STEP,))[1:] == ["  api/Dockerfile:3:1  COPY a /"]
    assert shown(verdict="new", past=None) == [
        "api was not built here before: all its steps are new"
    ]
    ref = Past("ref", "main", commit="1" * 40)
    assert shown(verdict="new", past=ref) == ["api was not there in main (111111111111)"]
    assert shown(past=ref)[0] == "api differs from main (111111111111):"


def test_it_fits_80_columns() -> None:
    long = Reason(
        (f"ENV A: {'word ' * 20}→ {'word ' * 20}",),
        (replace(STEP, instruction="RUN " + "x y " * 60),),
    )
    found = shown(reasons=(long,), label="a-service-of-" + "many-" * 8 + "words")
    assert max(map(len, found)) < 80
    assert len(found) > 6
