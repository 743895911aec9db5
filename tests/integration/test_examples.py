"""Every example is built, rebuilt without work, and rebuilt in part after an edit."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bases import bases

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.root


@dataclass(frozen=True)
class Example:
    """A copy of an example, with a store of its own."""

    directory: Path
    scratch: Path

    def build(self, *args: str) -> dict[str, dict[str, str]]:
        """Build it in a process of its own; returns each image's steps: instruction → status."""
        report = self.scratch / "report.json"
        registries = self.scratch / "registries.yaml"
        mirror = f"oci-layout:{bases('busybox', 'debian')}"
        registries.write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
        subprocess.run(
            [
                *(sys.executable, "-m", "mkbuild", "build", *args),
                *("--storage", str(self.scratch / "store"), "--registries", str(registries)),
                *("--metadata-file", str(report)),
            ],
            cwd=self.directory,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"},
            check=True,
        )
        return {
            target: {step["instruction"]: step["status"] for step in image["steps"]}
            for target, image in json.loads(report.read_text()).items()
        }


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Example:
    directory = tmp_path / "example"
    shutil.copytree(ROOT / "examples" / request.param, directory)
    return Example(directory, tmp_path)


def ran(steps: dict[str, dict[str, str]]) -> dict[str, set[str]]:
    return {
        target: {text for text, status in found.items() if status == "ran"}
        for target, found in steps.items()
    }


@pytest.mark.parametrize("example", ["monorepo"], indirect=True)
def test_the_monorepo(example: Example) -> None:
    first = example.build("all")
    assert list(first) == ["base", "tool", "web", "stats", "report"]
    assert all(status == "ran" for steps in first.values() for status in steps.values())
    again = example.build("all", "--expect-cached")
    assert not any(ran(again).values())
    page = example.directory / "web" / "page.html"
    page.write_text(page.read_text().replace("monorepo", "another"))
    after = {target for target, steps in ran(example.build("all")).items() if steps}
    assert after == {"web"}
    script = example.directory / "stats" / "stats.sh"
    script.write_text(script.read_text().replace("Counts the", "Counts all"))
    after = {target for target, steps in ran(example.build("all")).items() if steps}
    assert after == {"stats", "report"}


@pytest.mark.parametrize("example", ["matrix"], indirect=True)
def test_the_matrix(example: Example) -> None:
    assert sorted(example.build("all")) == [
        "tools-busybox-debug",
        "tools-busybox-release",
        "tools-debian-debug",
        "tools-debian-release",
    ]


@pytest.mark.parametrize("example", ["makisu"], indirect=True)
def test_makisu(example: Example, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    output = f"type=oci,dest={layout},tar=false"
    example.build("-t", "example/makisu:latest", "--commit", "explicit", "-o", output, ".")
    index = json.loads((layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest = json.loads((layout / "blobs" / "sha256" / digest).read_text())
    assert len(manifest["layers"]) == 3, "the base's, the one at #!COMMIT, the last"
