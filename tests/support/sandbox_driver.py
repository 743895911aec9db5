"""Runs commands in the namespace sandbox and writes what came of each as JSON.

Started by the integration tests as the user whose sandbox is tested: root, a user with ranges of
subordinate ids, a user without. Input (stdin): a JSON list of RunSpecs as keyword arguments.
"""

import base64
import json
import sys
from typing import Any

from mkbuild.errors import MkbuildError
from mkbuild.sandbox import userns
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.namespace import NamespaceSandbox
from mkbuild.sandbox.spec import MountSpec, RunSpec, Sandbox


def build(raw: dict[str, Any]) -> RunSpec:
    mounts = [
        MountSpec(**{k: _value(k, v) for k, v in mount.items()}) for mount in raw.pop("mounts", [])
    ]
    return RunSpec(mounts=tuple(mounts), **{k: _value(k, v) for k, v in raw.items()})


def _value(name: str, value: Any) -> Any:
    if name in ("hosts", "resolv", "stdin", "data"):
        return base64.b64decode(value)
    return tuple(value) if isinstance(value, list) else value


def main() -> None:
    chroot = "--chroot" in sys.argv
    entered = userns.UserNamespace("root") if chroot else userns.enter()
    sandbox: Sandbox = ChrootSandbox() if chroot else NamespaceSandbox()
    results: list[dict[str, object]] = [{"mode": entered.mode, "reason": entered.reason}]
    streaming = "--stream" in sys.argv
    for raw in json.load(sys.stdin):
        streams = {1: b"", 2: b""}

        def output(fd: int, data: bytes, into: dict[int, bytes] = streams) -> None:
            into[fd] += data
            if streaming:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()

        try:
            outcome = sandbox.run(build(raw), output)
        except MkbuildError as error:
            results.append({"error": str(error)})
            continue
        texts = {"out": streams[1].decode(), "err": streams[2].decode()}
        results.append({"status": outcome.status, "lossy": outcome.lossy, **texts})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
