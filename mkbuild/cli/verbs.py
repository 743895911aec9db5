"""Which verbs there are, and which one a command line is for.

Nothing heavy is imported here: what a build needs first is begun before its arguments are parsed.
"""

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

VERBS = {
    "Build": {
        "build": "Build images (the default verb).",
        "watch": "Build again whenever a save changes an image.",
        "shell": "Open a shell where a step failed.",
        "verify": "Build twice, and compare.",
        "promote": "Let a tag stand for finished images; nothing is built.",
    },
    "Images": {
        "push": "Push an image of a docker-save archive.",
        "pull": "Pull an image, and unpack its files.",
        "diff": "Compare two images.",
    },
    "Ask": {
        "plan": "Say what a build would do, step by step.",
        "why": "Say what changed, and how that reaches an image.",
        "list": "List targets and groups.",
        "query": "Ask the graph: deps, rdeps, paths, filters.",
        "graph": "Draw the graph, or prove an edge.",
        "log": "Show past runs: what ran, what took the time.",
    },
    "Write": {
        "lint": "Check Dockerfiles and build files.",
        "schema": "Print JSON schemas: of build files, metadata, plans.",
        "fmt": "Format build files.",
        "init": "Write a first build file.",
        "lock": "Pin what base images, URLs and git refs stand for.",
    },
    "Machine": {
        "cache": "Measure, clean, export and import the local store.",
        "doctor": "Say what this machine can do, and how to fix what it cannot.",
        "completion": "Print the completion script of a shell.",
        "version": "Print the version.",
    },
}
NAMES = {name: text for verbs in VERBS.values() for name, text in verbs.items()}
_HELP = {"-h", "--help", "--version"}

FLAGS = frozenset({"-v", "--verbose", "-s", "--silent"})
"""General options without a value; with :data:`VALUED`, what may stand before the verb."""
VALUED = frozenset(
    {
        "-C",
        "--directory",
        "-f",
        "--file",
        "--progress",
        "--storage",
        "--log-fmt",
        "--log-level",
        "--log-output",
        "--cpu-profile",
    }
)


def arrange(args: list[str]) -> list[str]:
    """Return the arguments with the verb first."""
    if args and args[0] in _HELP:
        return args
    at = _first_word(iter(enumerate(args)))
    if at is not None and args[at] in NAMES:
        return [args[at], *args[:at], *args[at + 1 :]]
    return ["build", *args]


def _first_word(words: "Iterator[tuple[int, str]]") -> int | None:
    """Find the first argument that is no general option; None before an option of build."""
    for index, word in words:
        if not word.startswith("-") or word == "-":
            return index
        if word in VALUED:
            next(words, None)
        elif word not in FLAGS and word.partition("=")[0] not in VALUED and word[:2] not in VALUED:
            return None
    return None
