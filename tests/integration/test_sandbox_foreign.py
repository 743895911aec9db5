"""Images of another architecture: their commands run in an emulator that the kernel knows."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import arm64
from tests.support.command import Mkbuild, ran, registries

pytestmark = pytest.mark.root

NAME = "mkbuild-test-aarch64"
QEMU = "/usr/bin/qemu-aarch64-static"
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
# what is registered holds for the whole machine, wherever the list is mounted: here in private
_MOUNTED = "mount --make-rprivate / && mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && "
LISTED = ("unshare", "-m", "sh", "-c", _MOUNTED + 'exec "$0" "$@"')

DOCKERFILE = """FROM --platform=$BUILDPLATFORM busybox:stable AS native
RUN uname -m > /built-on
FROM scratch
ARG TARGETARCH
COPY busybox-$TARGETARCH /bin/busybox
COPY --from=native /built-on /
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox uname -m > /machine"]
"""


_REGISTER = """
printf '%s' "$0" > /proc/sys/fs/binfmt_misc/register && echo ready && read end
"""


@pytest.fixture
def emulator() -> Iterator[None]:
    """Register the emulator; that ends with the last mount of the list, the holder's."""
    if not Path(QEMU).exists():
        pytest.skip("needs qemu-user-static")
    line = f":{NAME}:M::{MAGIC}:{MASK}:{QEMU}:F"
    with subprocess.Popen(
        [*LISTED, "sh", "-c", _REGISTER, line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            _, said = holder.communicate()
            pytest.skip(f"no binfmt_misc: {said}")
        yield
        holder.communicate("end\n")


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    shutil.copy("/bin/busybox", context / "busybox-amd64")
    shutil.copy(arm64.busybox(), context / "busybox-arm64")
    return Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("listed", [True, False])
def test_an_index_of_two_platforms_whose_commands_ran(mkbuild: Mkbuild, *, listed: bool) -> None:
    mkbuild.prefix = LISTED if listed else ()
    layout = mkbuild.directory / "layout"
    output = f"type=oci,tar=false,dest={layout}"
    both = ("--platform", "linux/amd64,linux/arm64")
    found = mkbuild.build("./context", *both, "--output", output)
    runs = [text for steps in ran(found).values() for text in steps if text.startswith("RUN")]
    assert len(runs) == 3  # the native stage ran once
    top = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    index = json.loads((layout / "blobs/sha256" / top.partition(":")[2]).read_text())
    kinds = [entry["platform"]["architecture"] for entry in index["manifests"]]
    assert kinds == ["amd64", "arm64"]
    for kind, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        tree = mkbuild.directory / kind
        mkbuild.build(
            "./context", "--platform", f"linux/{kind}", "--output", f"type=local,dest={tree}"
        )
        assert (tree / "machine").read_text() == f"{machine}\n"
        assert (tree / "built-on").read_text() == "x86_64\n"


@pytest.mark.parametrize("listed", [True, False])
def test_without_an_emulator_the_error_names_the_fix(mkbuild: Mkbuild, *, listed: bool) -> None:
    mkbuild.prefix = LISTED if listed else ()
    done = mkbuild.run("build", "./context", "--platform", "linux/arm64")
    assert done.returncode != 0
    assert "needs an emulator" in done.stderr
    assert "apt-get install qemu-user-static" in done.stderr
