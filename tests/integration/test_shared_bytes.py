"""What a change of application code moves on a machine that has nothing yet."""

import json
import random
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.bases import bases
from tests.support.computer import Computer, write
from tests.support.counting import Counter, counting_proxy
from tests.support.registry import RealRegistry

pytestmark = [pytest.mark.root, pytest.mark.registry]

DOCKERFILE = """\
FROM {base}
RUN echo prepared > /etc/prepared
COPY dependencies /opt/dependencies
COPY app.py /opt/app.py
CMD ["python3", "/opt/app.py"]
"""


@pytest.fixture
def wire(registry: RealRegistry) -> Iterator[Counter]:
    """The registry, behind a proxy that counts."""
    with counting_proxy(registry.port) as counter:
        yield counter


def manifest(registry: RealRegistry, repository: str) -> dict[str, list[dict[str, object]]]:
    name = f"docker://{registry.address}/{repository}:latest"
    data = subprocess.check_output(["skopeo", "inspect", "--tls-verify=false", "--raw", name])
    found: dict[str, list[dict[str, object]]] = json.loads(data)
    return found


def noise(size: int, seed: int) -> str:
    """Return text that does not compress below about its size / 1.3."""
    generator = random.Random(seed)
    return "".join(generator.choices("0123456789abcdefghijklmnopqrstuvwxyzABCDEF-_", k=size))


def test_a_change_of_code_moves_its_layer_and_little_else(
    registry: RealRegistry, wire: Counter, tmp_path: Path
) -> None:
    scope = uuid4().hex
    base = f"{wire.address}/{scope}/debian"
    layout = bases("debian") / "library" / "debian"
    subprocess.run(
        [
            *("skopeo", "copy", "-q", "--dest-tls-verify=false"),
            *(f"oci:{layout}:bookworm-slim", f"docker://{base}:latest"),
        ],
        check=True,
    )
    image = f"{wire.address}/{scope}/app"
    work = write(
        tmp_path / "work",
        {
            "BUILD.yaml": f"version: 1\nimages: {{app: {{context: app, tags: ['{image}']}}}}\n"
            f"cache: {{remotes: [{{type: registry, ref: '{wire.address}/{scope}/cache'}}]}}\n",
            "app/Dockerfile": DOCKERFILE.format(base=base),
            "app/dependencies/library": noise(3_000_000, 1),
            "app/app.py": noise(200_000, 2),
        },
    )
    first = Computer(tmp_path / "first").build(work, "--push", "app")
    assert first.warnings == ()
    (below,) = manifest(registry, f"{scope}/debian")["layers"]
    with tarfile.open(layout / "blobs" / "sha256" / str(below["digest"])[7:]) as tar:
        entries = len(tar.getmembers())

    for seed, name in ((3, image), (4, f"{wire.address}/{scope}/elsewhere/app")):
        build_file = work / "BUILD.yaml"
        build_file.write_text(build_file.read_text().replace(f"'{image}'", f"'{name}'"))
        write(work, {"app/app.py": noise(200_000, seed)})
        before, asked = wire.bytes, len(wire.requests)
        again = Computer(tmp_path / f"fresh{seed}").build(work, "--push", "app")
        moved = wire.bytes - before
        assert again.warnings == ()
        assert again.ran() == {"COPY app.py /opt/app.py"}
        layers = manifest(registry, name.partition("/")[2])["layers"]
        assert layers[0] == below
        changed = layers[-1]["size"]
        assert isinstance(changed, int)
        assert moved <= 1.2 * changed + 65536 + 10 * entries
        pulled = [r for r in wire.requests[asked:] if r.startswith("GET ") and "/blobs/" in r]
        assert not any(str(layer["digest"]) in r for layer in layers for r in pulled)
