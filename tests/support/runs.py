"""Documents of records of small runs, for reports."""

from typing import Any

DIGEST = "sha256:" + "0123456789ab" + "0" * 52
BASE = "sha256:" + "ba5e" + "0" * 60


def step(  # noqa: PLR0913 -- what tests care about
    target: str,
    instruction: str,
    location: str,
    begin: float,
    seconds: float,
    *parents: str,
    status: str = "ran",
    **more: Any,
) -> dict[str, Any]:
    """Return a step's entry."""
    return {
        "target": target,
        "stage": "stage-0",
        "instruction": instruction,
        "location": location,
        "key": "",
        "state": "",
        "base": "debian:12",
        "components": {"parents": ["state-of-a-base", *parents]},
        "status": status,
        "source": "",
        "why": "",
        "begin": begin,
        "seconds": seconds,
        **more,
    }


def document(*, ok: bool = True) -> dict[str, Any]:
    """Return two images: base (a hit), and api, of which two steps ran at once and one joined."""
    steps = {
        "k0": step("base", "WORKDIR /src", "base/Dockerfile:2:1", 0.9, 0.0, status="hit-remote"),
        "k1": step("api", "RUN make \\\n  all", "api/Dockerfile:3:1", 1.0, 2.0, "k0"),
        "k2": step("api", "RUN a | b < c", "api/Dockerfile:4:1", 1.0, 4.0, "k0"),
        "k3": step("api", "COPY --from=x a /", "api/Dockerfile:6:1", 5.5, 2.0, "k1", "k2"),
    }
    steps["k0"]["source"] = "redis cache:6379"
    layers = [
        {"digest": BASE, "size": 1000, "base": True, "created_by": "ADD rootfs.tar /"},
        {"digest": DIGEST, "size": 9, "base": False, "created_by": "COPY a / # buildkit"},
    ]
    target = {
        "containerimage.digest": DIGEST,
        "image.name": "acme/base:1",
        "steps": [],
        "images": [{"platform": "linux/amd64", "digest": DIGEST, "layers": layers}],
    }
    found: dict[str, Any] = {
        "version": 3,
        "mkbuild": "0",
        "started": "2023-11-14T22:13:20Z",
        "seconds": 10.0,
        "ok": ok,
        "error": "",
        "place": "",
        "directory": "/work",
        "arguments": ["all"],
        "git": {"sha": "0123456789abcdef", "dirty": "true"},
        "wanted": ["base", "api"],
        "targets": {"base": target, "api": {**target, "image.name": "acme/api:1"}},
        "order": {"base": ["k0"], "api": ["k0", "k1", "k2", "k3"]},
        "steps": steps,
        "layers": [
            {"step": "k3", "target": "api", "digest": DIGEST, "size": 9, "begin": 7.5, "seconds": 1}
        ],
        "transfers": [
            {"verb": "push", "what": DIGEST, "size": 9, "begin": 8.6, "seconds": 0.5},
        ],
        "phases": [
            {"name": "load", "begin": 0.0, "seconds": 0.9},
            {"name": "run", "begin": 1.0, "seconds": 7.5},
            {"name": "publish", "begin": 8.5, "seconds": 1.5},
        ],
        "published": [{"name": "example.com/acme/api:1", "digest": DIGEST, "moved": True}],
    }
    if not ok:
        output = ["100% done, nearly", "```", "\x0b and \ud800"]
        steps["k3"] |= {"status": "failed", "error": "ended with exit status 2", "output": output}
        del found["targets"]["api"]
        found |= {"error": "api/Dockerfile: ended with exit status 2", "published": []}
    return found
