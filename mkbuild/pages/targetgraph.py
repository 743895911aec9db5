"""The graph of targets as pictures: every target, and of many the build files that hold them."""

from mkbuild.graph.edges import Edge
from mkbuild.graph.query import kind_of
from mkbuild.pages.figure import Picture, figure, sample, swatch
from mkbuild.pages.markup import Markup
from mkbuild.pages.picture import Link, Node, picture
from mkbuild.pages.subject import Subject
from mkbuild.progress.text import count

MANY = 150
"""Above so many targets, the first picture is one of build files."""
_KINDS = {"FROM": "from", "COPY --from": "copy", "RUN --mount": "copy", "depends_on": "after"}
"""Kinds of edges, the strongest first, and the classes of their lines."""
_SHOWN = 12
"""Edges that the title of a line between two build files names."""


def target_graph(subject: Subject) -> Markup:
    """Return the part of the page with the pictures."""
    pictures = [Picture("Targets", _targets(subject))]
    if len(subject.targets) > MANY and len(subject.files) > 1:
        pictures.insert(0, Picture("Build files", _files(subject), overview=True))
    legend = [
        sample("from", "FROM"),
        sample("copy", "COPY --from, RUN --mount"),
        sample("after", "depends_on"),
        swatch("internal", "internal"),
        swatch("published", "published"),
    ]
    return figure(pictures, legend, "Target")


def _targets(subject: Subject) -> Markup:
    nodes = [
        Node(
            target.label,
            target.label,
            subject.note(target),
            f"#t{subject.numbers[target.label]}",
            f"{target.label}: {subject.declared(target)}",
            (kind_of(target),),
        )
        for target in subject.targets
    ]
    links = [
        Link(
            needed,
            source,
            next(name for kind, name in _KINDS.items() if any(e.kind == kind for e in edges)),
            "\n".join([f"{source} needs {needed}", *(subject.proof(edge) for edge in edges)]),
        )
        for (needed, source), edges in subject.edges.items()
    ]
    label = "Graph of targets; the list below says the same in words"
    return picture(nodes, links, label=label, numbers=subject.numbers)


def _files(subject: Subject) -> Markup:
    file_of = {target.label: file for file, targets in subject.files.items() for target in targets}
    numbers = {file: number for number, file in enumerate(subject.files)}
    nodes = [
        Node(
            file,
            _directory(file),
            count(len(targets), "target"),
            f"#f{numbers[file]}",
            "\n".join([file, *(target.label for target in targets)]),
            ("file",),
        )
        for file, targets in subject.files.items()
    ]
    between: dict[tuple[str, str], list[Edge]] = {}
    for (needed, source), edges in subject.edges.items():
        between.setdefault((file_of[needed], file_of[source]), []).extend(edges)
    links = [
        Link(left, right, "from", "\n".join(subject.proof(edge) for edge in edges[:_SHOWN]))
        for (left, right), edges in between.items()
    ]
    label = "Graph of build files; the list below says the same in words"
    return picture(nodes, links, label=label, numbers=numbers)


def _directory(file: str) -> str:
    return file.rpartition("/")[0] or file
