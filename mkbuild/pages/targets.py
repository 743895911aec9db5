"""The page of ``graph --format html``: the targets, what they need, and where it says so."""

from mkbuild.buildfile.target import Target
from mkbuild.graph.query import kind_of
from mkbuild.pages.filters import filter_form
from mkbuild.pages.markup import Markup, element, join
from mkbuild.pages.page import page
from mkbuild.pages.subject import Subject
from mkbuild.pages.targetgraph import MANY, target_graph
from mkbuild.progress.text import count


def target_page(subject: Subject) -> str:
    """Return the whole page."""
    return page(
        f"{subject.title} · targets",
        _heading(subject),
        target_graph(subject)
        if subject.targets
        else element("p", "There are no targets.", class_="wide"),
        _list(subject),
        _outside(subject),
        scripts=("graph.js", "explore.js"),
    )


def _heading(subject: Subject) -> Markup:
    counts = [
        count(len(subject.targets), "target"),
        count(len(subject.edges), "edge"),
        count(len(subject.files), "build file"),
        f"{len(subject.outsides)} from outside",
    ]
    return join(
        [
            element("h1", subject.title),
            element("p", " · ".join(counts), class_="soft"),
            filter_form("name, tag, file, @group"),
        ]
    )


def _list(subject: Subject) -> Markup:
    few = len(subject.files) == 1 or len(subject.targets) <= MANY
    groups = [
        element(
            "details",
            element(
                "summary",
                element("h3", element("code", file)),
                element("span", count(len(targets), "target"), class_="soft"),
            ),
            element("div", id=f"f{number}", class_="anchor"),
            *(_card(subject, target) for target in targets),
            class_="group",
            open=few,
        )
        for number, (file, targets) in enumerate(subject.files.items())
    ]
    return element("section", element("h2", "Targets"), *groups, class_="wide", id="list")


def _card(subject: Subject, target: Target) -> Markup:
    number = subject.numbers[target.label]
    search = " ".join(
        [
            target.label,
            subject.place(target.file),
            *target.tags,
            *(f"@{group}" for group in target.groups),
            kind_of(target),
        ]
    )
    return element(
        "details",
        element(
            "summary",
            element("code", target.label, class_="name"),
            element("span", kind_of(target), class_=f"chip {kind_of(target)}"),
            element("span", subject.note(target), class_="soft"),
        ),
        element("dl", *_facts(subject, target), id=f"t{number}", class_="facts"),
        class_="card",
        data_n=number,
        data_find=search.lower(),
    )


def _facts(subject: Subject, target: Target) -> list[Markup]:
    known = subject.dockerfile(target)
    rows: list[tuple[str, list[Markup]]] = [
        ("Declared", [element("code", subject.declared(target))]),
        ("Dockerfile", [element("code", known[0])] if known else []),
        ("Stage", [element("code", target.target)] if target.target else []),
        ("Platforms", [element("code", name) for name in target.platforms]),
        ("Tags", [element("code", tag) for tag in target.tags]),
        ("Groups", [element("code", f"@{group}") for group in target.groups]),
        ("Needs", _needs(subject, target)),
        ("Needed by", _needed_by(subject, target)),
        ("From outside", _taken(subject, target)),
    ]
    return [
        element("div", element("dt", name), *(element("dd", value) for value in values))
        for name, values in rows
        if values
    ]


def _needs(subject: Subject, target: Target) -> list[Markup]:
    found = []
    for other in subject.graph.needs(target.label):
        proofs = subject.edges.get((other, target.label), ())
        if proofs:
            lines = [element("code", subject.proof(edge), class_="proof") for edge in proofs]
            found.append(join([subject.reference(other), *lines]))
    return found


def _needed_by(subject: Subject, target: Target) -> list[Markup]:
    others = [o for o in subject.graph.needed_by(target.label) if o in subject.numbers]
    return [subject.reference(other) for other in sorted(others)]


def _taken(subject: Subject, target: Target) -> list[Markup]:
    return [
        join(
            [
                element("code", outside.name),
                element("code", f"{outside.location}: {outside.text}", class_="proof"),
            ]
        )
        for outside in subject.graph.outsides.get(target.label, ())
    ]


def _outside(subject: Subject) -> Markup | None:
    if not subject.outsides:
        return None
    rows = [
        element(
            "details",
            element(
                "summary",
                element("code", name, class_="name"),
                element("span", count(len(uses), "target"), class_="soft"),
            ),
            element(
                "ul",
                *(
                    element(
                        "li",
                        subject.reference(label),
                        element("code", f"{use.location}: {use.text}", class_="proof"),
                    )
                    for label, use in uses
                ),
                class_="facts",
            ),
            class_="card",
        )
        for name, uses in subject.outsides.items()
    ]
    return element("section", element("h2", "From outside"), *rows, class_="wide")
