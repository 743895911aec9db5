"""What must work wherever RUN works: the monorepo, with the same digests, and Debian's packages.

The monorepo as ordinary users is in ``test_main_job``.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.apt import repository
from tests.support.command import ROOT, Mkbuild, digests, registries
from tests.support.static import MODIFYFS, static_container
from tests.support.users import become, own

pytestmark = pytest.mark.root

MONOREPO = ROOT / "examples" / "monorepo"
PROBE = """FROM debian:bookworm-slim
ARG REPOSITORY
RUN rm -rf /etc/apt/sources.list.d \\
    && echo "deb [trusted=yes] $REPOSITORY ./" > /etc/apt/sources.list
RUN apt-get update && apt-get install -y --no-install-recommends probe && probe > /said \\
    && stat -c '%U:%G %a' /var/lib/probe >> /said \\
    && rm -rf /var/lib/apt/lists /var/cache/apt /var/log/apt /var/log/dpkg.log /etc/apt/sources.list
"""
GIT = """FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends git && git --version > /said
"""
UNPRIVILEGED = ("capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"')


def metadata(file: Path) -> dict[str, str]:
    return digests(json.loads(file.read_bytes()))


@pytest.fixture(scope="module")
def monorepo_as_root(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("root")
    shutil.copytree(MONOREPO, place / "work" / "monorepo")
    tool = Mkbuild(place / "work" / "monorepo", place / "store", registries(place))
    return digests(tool.build("all", "--sandbox", "namespace"))


def test_the_monorepo_in_chroot_mode(tmp_path: Path, monorepo_as_root: dict[str, str]) -> None:
    shutil.copytree(MONOREPO, tmp_path / "work" / "monorepo")
    tool = Mkbuild(tmp_path / "work" / "monorepo", tmp_path / "store", registries(tmp_path))
    assert digests(tool.build("all", "--sandbox", "chroot")) == monorepo_as_root


def test_the_monorepo_in_modifyfs_mode(
    tmp_path: Path, static_bundle: Path, monorepo_as_root: dict[str, str]
) -> None:
    shutil.copytree(MONOREPO, tmp_path / "monorepo")
    flags = ("--metadata-file", "/io/report.json")
    with static_container(static_bundle, tmp_path) as container:
        done = container.run("build", "all", *MODIFYFS, *flags, cwd="/io/monorepo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert metadata(tmp_path / "report.json") == monorepo_as_root


class Everywhere:
    """Builds one Dockerfile in one mode after the other."""

    def __init__(self, place: Path, bundle: Path, dockerfile: str) -> None:
        self.place = place
        self.bundle = bundle
        self.dockerfile = dockerfile

    def build(self, mode: str, *flags: str) -> tuple[str, str]:
        """Return the image's digest and what was said."""
        place = self.place / mode
        (place / "context").mkdir(parents=True)
        (place / "context" / "Dockerfile").write_text(self.dockerfile)
        file = place / "report.json"
        if mode == "modifyfs":
            args = ("/io/context", "-f", "/io/context/Dockerfile", *MODIFYFS, *flags)
            with static_container(self.bundle, place) as container:
                done = container.run("build", *args, "--metadata-file", "/io/report.json")
        else:
            tool = Mkbuild(place, place / "store", registries(place, copied=mode in USERS))
            if mode in USERS:
                (place / "account").mkdir()
                tool.prefix = become(place / "account", ranges=mode == "subuids")
                own(place)
            elif mode == "chroot without mounts":
                tool.prefix = UNPRIVILEGED
            flags = (*flags, *(("--sandbox", "chroot") if mode.startswith("chroot") else ()))
            done = tool.run("build", "./context", *flags, "--metadata-file", str(file))
        assert done.returncode == 0, f"{mode}: {done.stdout}{done.stderr}"
        [digest] = metadata(file).values()
        return digest, done.stderr


USERS = ("subuids", "single-id")
MODES = ("namespace", *USERS, "chroot", "chroot without mounts", "modifyfs")


@pytest.mark.userns
def test_packages_install_in_every_mode(tmp_path: Path, static_bundle: Path) -> None:
    every = Everywhere(tmp_path, static_bundle, PROBE)
    with repository(tmp_path) as url:
        built = {mode: every.build(mode, "--build-arg", f"REPOSITORY={url}") for mode in MODES}
    # what a single id cannot hold, the summary says once; all else is the same to the digest
    swallowed = "changes of owner are answered with success"
    assert {mode: said.count(swallowed) for mode, (_, said) in built.items()} == {
        mode: int(mode == "single-id") for mode in MODES
    }
    single = built.pop("single-id")[0]
    assert {digest for digest, _ in built.values()} == {built["namespace"][0]}
    assert single != built["namespace"][0]


@pytest.mark.full
@pytest.mark.userns
@pytest.mark.parametrize("mode", MODES)
def test_git_of_debian_installs(tmp_path: Path, static_bundle: Path, mode: str) -> None:
    Everywhere(tmp_path, static_bundle, GIT).build(mode)
