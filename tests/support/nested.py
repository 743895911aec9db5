"""A build inside a container with docker's defaults; executed in a RUN, prints what it found."""

import json
import sys
from pathlib import Path

sys.path.insert(0, "/opt")

from mkbuild.errors import SandboxError
from mkbuild.sandbox import detect, userns
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.spec import MountSpec, RunSpec


def run(script: str, **spec: object) -> str:
    work = Path("/work")
    work.mkdir(exist_ok=True)
    out: list[bytes] = []
    argv = ("/bin/sh", "-ec", script)
    made = RunSpec(argv, {"PATH": "/bin"}, tree="/", work="/work", **spec)  # type: ignore[arg-type]
    outcome = ChrootSandbox("modifyfs").run(made, lambda _fd, data: out.append(data))
    return f"{outcome.status} {b''.join(out).decode()}"


def main() -> None:
    try:
        userns.enter()
        refused = ""
    except SandboxError as error:
        refused = str(error)
    choice = detect.choose("auto", Path("/"))
    secret = MountSpec("secret", "/run/secrets/s", data=b"canary", mode=0o400)
    results = {
        "refused": refused,
        "entered": detect.enter("auto") is not None,
        "chosen": choice.sandbox.mode,
        "reason": choice.reason,
        "root": run("echo new > /made; cat /run/secrets/s; exit 3", mounts=(secret,)),
        "left": sorted(path.name for path in Path("/run").iterdir()),
        "daemon": run("sleep 1000 & echo started"),
    }
    json.dump(results, sys.stdout)


main()
