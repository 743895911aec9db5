"""--since: exactly the images that an edit affects, in a real git repository."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from tests.support.bases import bases
from tests.support.command import ROOT, Mkbuild, registries
from tests.support.gitrepo import commit, git
from tests.support.users import become, own

pytestmark = pytest.mark.root

ALL = "base tool web stats report"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store that knows the bases, and a busybox that has changed."""
    place = tmp_path_factory.mktemp("since")
    layout = place / "mirror" / "library" / "busybox"
    shutil.copytree(bases("busybox") / "library" / "busybox", layout)
    image = f"{layout}:stable"
    subprocess.run(
        ["umoci", "config", "--image", image, "--tag", "label", "--config.label", "moved=yes"],
        check=True,
    )
    (place / "file").write_text("more")
    insert = ["umoci", "insert", "--image", image, "--tag", "files", str(place / "file"), "/file"]
    subprocess.run(insert, check=True)
    mirrors = [f"oci-layout:{place / 'mirror'}", f"oci-layout:{bases('debian')}"]
    (place / "registries").write_text(json.dumps({"docker.io": {"mirrors": mirrors}}))
    return place


def pin(store: Path, tag: str) -> str:
    index = json.loads((store / "mirror" / "library" / "busybox" / "index.json").read_text())
    (digest,) = [
        found["digest"]
        for found in index["manifests"]
        if found["annotations"]["org.opencontainers.image.ref.name"] == tag
    ]
    images = {"docker.io/library/busybox:stable": {"linux/amd64": digest}}
    return json.dumps({"version": 1, "images": images})


@pytest.fixture
def work(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the monorepo in a subdirectory of a repository."""
    place = tmp_path / "repository" / "monorepo"
    shutil.copytree(ROOT / "examples" / "monorepo", place)
    (place / "BUILD.lock").write_text(pin(store, "stable"))
    (place / "web" / "Dockerfile.link").symlink_to("Dockerfile")
    (place.parent / ".gitignore").write_text("*.log\n")
    commit(place.parent)
    monkeypatch.chdir(place)
    monkeypatch.delenv("CI", raising=False)  # it makes --locked the default
    monkeypatch.setenv("MKBUILD_REGISTRIES", str(store / "registries"))
    monkeypatch.setenv("MKBUILD_STORAGE", str(store / "store"))
    return place


Shown = Callable[..., str]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """Return what runs a command that must succeed, and returns what it prints."""

    def run(*args: str, status: int = 0) -> str:
        capsys.readouterr()
        assert main(list(args)) == status
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    return run


Edit = Callable[[Path], object]


def write(name: str, text: str) -> Edit:
    return lambda work: (work / name).write_text(text)


def append(name: str, text: str = "\n# more\n") -> Edit:
    return lambda work: (work / name).write_text((work / name).read_text() + text)


def swap(name: str, old: str, new: str) -> Edit:
    def edit(work: Path) -> None:
        text = (work / name).read_text()
        assert old in text
        (work / name).write_text(text.replace(old, new))

    return edit


def both(*edits: Edit) -> Edit:
    return lambda work: [edit(work) for edit in edits]


EDITS: dict[str, tuple[Edit, str]] = {
    "nothing": (lambda _: None, ""),
    "a README that no image copies": (write("README.md", "read me"), ""),
    "a file beside the workspace": (write("../notes", "words"), ""),
    "a file of a context that no image copies": (write("web/README.md", "read me"), ""),
    "a file of one image": (append("web/server.pl"), "web"),
    "a file that another image takes as well": (append("stats/stats.sh"), "stats report"),
    "a file that a tool is made of": (append("tool/checksum.sh"), "tool web stats report"),
    "a file of the base": (append("base/entrypoint"), "base web stats report"),
    "a comment in the base's Dockerfile": (append("base/Dockerfile"), ""),
    "a line moved": (swap("base/Dockerfile", "FROM", "\n\n# and\nFROM"), ""),
    "what a base's containers run": (
        swap("base/Dockerfile", "ENTRYPOINT [", 'ENTRYPOINT ["/bin/sh", '),
        "base web stats",
    ),
    "an instruction of the base": (
        swap("base/Dockerfile", "--uid 1000", "--uid 1001"),
        "base web stats report",
    ),
    "a label": (append("tool/Dockerfile", "\nLABEL a=b\n"), "tool"),
    "a tag of one image": (swap("BUILD.yaml", "/web:latest", "/web:newest"), "web"),
    "an argument of one image": (
        swap("BUILD.yaml", 'GREETING: "${GREETING}"', 'GREETING: "good day"'),
        "web",
    ),
    "the default of a variable": (swap("BUILD.yaml", "hello from", "greetings of"), "web"),
    "a variable in tags": (swap("BUILD.yaml", "localhost:5000", "x:1"), "web stats report"),
    "how layers are cut": (swap("BUILD.yaml", "    commit: explicit\n", ""), "report"),
    "a comment in the build file": (append("BUILD.yaml"), ""),
    "a group, and a weight": (
        swap(
            "BUILD.yaml",
            "    groups: [services]",
            "    groups: [services, others]\n    resources: {weight: 2}",
        ),
        "",
    ),
    "a new image": (
        swap("BUILD.yaml", "images:\n", "images:\n  extra: {context: tool}\n"),
        "extra",
    ),
    "an ignore file that leaves out what is copied": (
        write("report/.dockerignore", "sections/20*\n"),
        "report",
    ),
    "an ignore file that leaves out something else": (write("report/.dockerignore", "*.md\n"), ""),
    "an ignore file of one Dockerfile": (
        write("report/Dockerfile.dockerignore", "sections/20*\n"),
        "report",
    ),
    "a new file, untracked": (write("report/sections/30-new.txt", "new"), "report"),
    "a new file, ignored by git": (write("report/sections/30.log", "new"), "report"),
    "a new file, ignored by an ignore file": (
        both(write("report/.dockerignore", "**/*.log"), write("report/sections/30.log", "new")),
        "",
    ),
    "a file removed": (lambda work: (work / "report/sections/20-cost.txt").unlink(), "report"),
    "a file executable": (lambda work: (work / "web/server.pl").chmod(0o755), "web"),
    "times": (lambda work: os.utime(work / "web/server.pl", (1, 1)), ""),
    "modes that git does not know": (
        both(
            lambda work: (work / "web/server.pl").chmod(0o600),
            lambda work: (work / "report/sections").chmod(0o700),
            write("web/README.md", "so that the context differs"),
            write("report/README.md", "so that the context differs"),
        ),
        "",
    ),
    "a symlink to a file of the same bytes": (
        both(
            lambda work: (work / "web/server.pl").rename(work / "web/real.pl"),
            lambda work: (work / "web/server.pl").symlink_to("real.pl"),
        ),
        "",
    ),
    "a Dockerfile that is a symlink now": (
        swap(
            "BUILD.yaml",
            "    context: web\n",
            "    context: web\n    dockerfile: Dockerfile.link\n",
        ),
        "",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_affects_what_it_should(name: str, work: Path, shown: Shown) -> None:
    edit, expected = EDITS[name]
    edit(work)
    assert shown("query", "all", "--since", "HEAD").split() == order(expected)


def order(labels: str) -> list[str]:
    wanted = labels.split()
    return [label for label in ("extra", *ALL.split()) if label in wanted]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("stable", ""), ("label", "report"), ("files", "tool web stats report")],
)
def test_the_lock(tag: str, expected: str, work: Path, store: Path, shown: Shown) -> None:
    (work / "BUILD.lock").write_text(pin(store, tag))
    assert shown("query", "all", "--since", "HEAD").split() == order(expected)
    (work / "BUILD.lock").unlink()
    assert shown("query", "all", "--since", "HEAD").split() == []
    (work / "BUILD.lock").write_text(pin(store, tag))
    planned = json.loads(shown("plan", "all", "--since", "HEAD", "--no-locked", "--json"))
    assert planned["targets"] == {}


def test_flags_count_at_both_ends(work: Path, shown: Shown) -> None:
    flags = ("--since", "HEAD", "--set", "web.args.GREETING=x", "--var", "REGISTRY=y")
    assert shown("query", "all", *flags) == ""
    append("web/server.pl")(work)
    assert shown("list", *flags).split()[0] == "web"


def test_commits_tags_and_where_branches_parted(work: Path, shown: Shown) -> None:
    git(work, "tag", "v1")
    git(work, "switch", "-q", "-c", "topic")
    append("web/server.pl")(work)
    commit(work.parent)
    git(work, "switch", "-q", "main")
    append("stats/stats.sh")(work)
    commit(work.parent)
    git(work, "switch", "-q", "topic")
    for ref, expected in {
        "HEAD": "",
        "HEAD~1": "web",
        "v1": "web",
        "main": "web stats report",
        "main...": "web",
    }.items():
        assert shown("query", "all", "--since", ref).split() == order(expected), ref


def test_it_is_what_a_selection_is_cut_down_to(work: Path, shown: Shown) -> None:
    append("stats/stats.sh")(work)
    assert shown("query", "deps(web) + stats", "--since", "HEAD") == "stats\n"
    assert shown("list", "@services", "--since", "HEAD").split()[0] == "stats"
    assert shown("--list", "report", "web", "--since", "HEAD") == "report\n"
    assert shown("list", "web", "base", "--since", "HEAD") == ""
    assert json.loads(shown("list", "web", "--since", "HEAD", "--json")) == []
    planned = json.loads(shown("plan", "all", "--since", "HEAD", "--json"))
    assert list(planned["targets"]) == ["stats", "report"]
    assert "matches no target" in shown("list", "x*", "--since", "HEAD", status=4)


def test_a_matrix_in_waves(work: Path, shown: Shown) -> None:
    out = shown("list", "--since", "HEAD", "--format=github")
    assert out == '{"waves":[]}\n'
    append("tool/checksum.sh")(work)
    swap("BUILD.yaml", "    context: web\n", "    context: web\n    platforms: [linux/amd64]\n")(
        work
    )
    out = shown("list", "--since", "HEAD", "--format=github")
    assert out.count("\n") == 1
    assert [[job["target"] for job in wave["include"]] for wave in json.loads(out)["waves"]] == [
        ["tool"],
        ["web", "stats"],
        ["report"],
    ]
    web = json.loads(out)["waves"][1]["include"][0]
    assert web == {"target": "web", "platforms": "linux/amd64"}
    whole = json.loads(shown("list", "--format=github"))
    assert [len(wave["include"]) for wave in whole["waves"]] == [2, 2, 1]


def test_a_build_of_what_changed(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = work.parent / "metadata"
    args = ["build", "all", "--metadata-file", str(metadata), "--since"]
    assert main([*args, "HEAD"]) == 0
    assert "nothing is affected since HEAD" in capsys.readouterr().err
    assert json.loads(metadata.read_text()) == {}
    append("tool/Dockerfile", "LABEL a=b\n")(work)
    assert main([*args, "HEAD"]) == 0
    assert list(json.loads(metadata.read_text())) == ["tool"]
    assert main(["build", "all", "-q", "--since", "HEAD"]) == 0
    assert main(["build", "./web", "--since", "HEAD"]) == 2
    assert "needs a build file" in capsys.readouterr().err


def test_what_was_not_there_or_was_broken_is_affected(work: Path, shown: Shown) -> None:
    text = (work / "BUILD.yaml").read_text()
    (work / "BUILD.yaml").unlink()
    commit(work.parent)
    (work / "BUILD.yaml").write_text("version: 1\nimages: {web: {contxt: web}}\n")
    commit(work.parent)
    (work / "BUILD.yaml").write_text(text)
    swap("web/Dockerfile", "COPY server.pl", "COPY missing.pl")(work)
    commit(work.parent)
    swap("web/Dockerfile", "COPY missing.pl", "COPY server.pl")(work)
    assert shown("query", "all", "--since", "HEAD") == "web\n"
    assert shown("query", "all", "--since", "HEAD~1").split() == ALL.split()
    assert shown("query", "all", "--since", "HEAD~2").split() == ALL.split()


def test_refs_that_are_none(work: Path, tmp_path: Path, shown: Shown) -> None:
    git(work, "branch", "feature")
    said = shown("list", "--since", "feauture", status=2)
    assert "git knows no commit 'feauture'" in said
    assert "did you mean 'feature'?" in said
    assert "git knows no commit '--all'" in shown("list", "--since=--all", status=2)
    append("web/server.pl")(work)
    commit(work.parent)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{work.parent}", "shallow")
    os.chdir(tmp_path / "shallow" / "monorepo")
    said = shown("list", "--since", "HEAD~1", status=2)
    assert "this clone is shallow" in said
    assert "fetch-depth: 0" in said
    shutil.rmtree(tmp_path / "shallow" / ".git")
    said = shown("list", "--since", "HEAD", status=2)
    assert "is in no git repository" in said


def test_includes_and_contexts_outside_the_workspace(work: Path, shown: Shown) -> None:
    top = work.parent
    (top / "shared").mkdir()
    (top / "shared" / "file").write_text("one")
    (work / "more" / "deep").mkdir(parents=True)
    (work / "more" / "deep" / "BUILD.yaml").write_text(
        "version: 1\nimages:\n  outer:\n    context: ../../../shared\n"
        '    dockerfile_inline: "FROM scratch\\nCOPY file /\\n"\n'
    )
    swap("BUILD.yaml", "version: 1\n", "version: 1\ninclude: ['more/**/BUILD.yaml']\n")(work)
    commit(top)
    assert shown("query", "all", "--since", "HEAD") == ""
    (top / "shared" / "file").write_text("two")
    assert shown("query", "all", "--since", "HEAD") == "//more/deep:outer\n"
    assert shown("query", "all", "--since", "HEAD~1") == "//more/deep:outer\n"


def test_submodules(work: Path, tmp_path: Path, shown: Shown) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "code").write_text("one")
    commit(library)
    git(work, "submodule", "--quiet", "add", str(library), "report/sections/library")
    commit(work.parent)
    (work / "report" / "README").write_text("so that the context differs")
    assert shown("query", "all", "--since", "HEAD") == ""
    (library / "code").write_text("two")
    second = commit(library)
    module = work / "report" / "sections" / "library"
    git(module, "fetch", "-q")
    git(module, "checkout", "-q", second)
    assert shown("query", "all", "--since", "HEAD") == "report\n"
    git(module, "checkout", "-q", "HEAD~1")
    assert shown("query", "all", "--since", "HEAD") == ""


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("include", ["library/BUILD.yaml", "*/BUILD.yaml"])
def test_images_of_a_submodule(
    tmp_path: Path, shown: Shown, include: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    (library / "deep").mkdir(parents=True)
    (library / "BUILD.yaml").write_text(
        "version: 1\nimages:\n  inner: {context: deep}\n  beside: {context: deep, target: first}\n"
    )
    dockerfile = "FROM busybox:stable AS first\nCOPY one /\nFROM first\nCOPY two /\n"
    (library / "deep" / "Dockerfile").write_text(dockerfile)
    (library / "deep" / "one").write_text("one")
    (library / "deep" / "two").write_text("two")
    commit(library)
    top = tmp_path / "top"
    top.mkdir()
    (top / "BUILD.yaml").write_text(
        f'version: 1\ninclude: ["{include}"]\n'
        "images: {outer: {context: library/deep, target: first}}\n"
    )
    git(top, "init", "-q")
    git(top, "submodule", "--quiet", "add", str(library), "library")
    commit(top)
    monkeypatch.chdir(top)
    module = top / "library"

    def affected() -> list[str]:
        return shown("list", "--since", "HEAD").split()[::2]

    assert affected() == []
    (module / "deep" / "two").write_text("changed, and committed nowhere")
    assert affected() == ["//library:inner"]
    commit(module)
    assert affected() == ["//library:inner"]
    (module / "deep" / "one").write_text("changed, too")
    assert affected() == ["//library:beside", "//library:inner", "outer"]
    git(module, "checkout", "-q", "-f", "HEAD~1")
    assert affected() == []
    append("BUILD.yaml", "  more: {context: deep}\n")(module)
    assert affected() == ["//library:more"]


def test_nothing_is_downloaded(
    work: Path, shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "fresh"))
    assert shown("query", "all", "--since", "HEAD") == ""
    blobs = [path.stat().st_size for path in (tmp_path / "fresh" / "blobs").rglob("*")]
    assert 0 < sum(blobs) < 100_000, "manifests and configs, no layers"
    append("tool/Dockerfile", "ADD http://localhost:1/file /\n")(work)
    commit(work.parent)
    assert shown("query", "all", "--since", "HEAD", "--offline") == ""
    swap("tool/Dockerfile", ":1/file", ":1/other")(work)
    assert shown("query", "all", "--since", "HEAD").split() == order("tool web stats report")


def test_git_contexts(work: Path, tmp_path: Path, shown: Shown) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "Dockerfile").write_text("FROM scratch\nCOPY code /\n")
    (library / "code").write_text("one")
    first = commit(library)
    git(library, "branch", "other")
    (library / "code").write_text("two")
    second = commit(library)
    entry = f'images:\n  lib: {{context: "file://{library}#main"}}\n'
    swap("BUILD.yaml", "images:\n", entry)(work)
    append("stats/Dockerfile", "COPY --from=lib /code /code\n")(work)
    commit(work.parent)
    assert shown("query", "all", "--since", "HEAD") == ""
    swap("BUILD.yaml", "#main", "#other")(work)
    assert shown("query", "all", "--since", "HEAD").split() == ["lib", "stats", "report"]
    swap("BUILD.yaml", "#other", "#main")(work)
    lock = json.loads((work / "BUILD.lock").read_text())
    for pinned, expected in ((second, []), (first, ["lib", "stats", "report"])):
        pins = {**lock, "git": {f"file://{library}#main": pinned}}
        (work / "BUILD.lock").write_text(json.dumps(pins))
        assert shown("query", "all", "--since", "HEAD").split() == expected


@pytest.mark.userns
@pytest.mark.parametrize("ranges", [True, False], ids=["subuids", "single-id"])
def test_somebody_else_than_root(tmp_path: Path, *, ranges: bool) -> None:
    place = tmp_path / "repository"
    (place / "app").mkdir(parents=True)
    (place / "BUILD.yaml").write_text(
        "version: 1\nimages: {app: {context: app}, b: {context: app}}"
    )
    (place / "app" / "Dockerfile").write_text("FROM busybox:stable\nCOPY file /\nRUN true\n")
    (place / "app" / "file").write_text("one")
    commit(place)
    user = Mkbuild(place, tmp_path / "store", registries(tmp_path, copied=True))
    (tmp_path / "account").mkdir()
    user.prefix = become(tmp_path / "account", ranges=ranges)
    own(tmp_path)
    assert user.run("list", "--since", "HEAD").stdout == ""
    user.build("all")
    (place / "app" / "file").write_text("two")
    done = user.run("list", "--since", "HEAD")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["app", "b"], done.stderr
    assert "  app/file: sha256 " in user.run("why", "app", "--against", "HEAD").stdout
    assert "  app/file: sha256 " in user.run("why", "b").stdout
    assert list(user.build("all", "--since", "HEAD")) == ["app", "b"]
