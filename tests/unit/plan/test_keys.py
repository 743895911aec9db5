"""Keys: pinned, and different wherever a result may be."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.oci.model import Platform
from mkbuild.plan import keys
from mkbuild.plan.actions import Action
from mkbuild.plan.keys import Policy
from tests.support.planning import AMD64, ARM64, Shelf, outside, planned

PART = digests.of(b"part")


def action(line: str, *before: str) -> Action:
    return planned("\n".join(["FROM busybox", *before, line]) + "\n").chain[-1].action


def key(
    found: Action,
    parents: tuple[str, ...] = ("parent",),
    parts: tuple[digests.Digest | None, ...] = (),
    policy: Policy | None = None,
    secrets: Mapping[str, str] | None = None,
) -> str:
    return keys.components(found, parents, parts, policy or Policy(), secrets or {}).key()


def test_golden_states() -> None:
    base = keys.base_state([digests.of(b"layer")], AMD64)
    assert base == "sha256:00ac1b208ad22c9e06bb45cb1bea16427f1beb63249f595cda0b5719a8382f4f"
    assert (
        keys.next_state(base, digests.of(b"toc"))
        == "sha256:30a95e9a4d95e657dbc561fa145d1305318c420ddea544dae0ef3b48d55afe7b"
    )
    assert keys.next_state(base, None) == base


@pytest.mark.parametrize(
    ("line", "golden"),
    [
        (
            "RUN echo hello",
            "sha256:dd35a6b356d6d3f56098398838f77c6b252648ee8d340485884830353094877d",
        ),
        (
            "COPY --chmod=600 a /b",
            "sha256:77bf37e5649b48eb29f0449ba08f4148ed54f6d9254a168c54e9773f7a187e27",
        ),
        ("ADD a /b", "sha256:0e2942e84dc080ff736ea65cde0573d3189880cf624ac44a22c672a9452aa73e"),
        ("WORKDIR /w", "sha256:629c696df6ff27cf2cc5c8fb943e509a4bbc98ec37927e53adf108e94f095fba"),
    ],
)
def test_golden_keys(line: str, golden: str) -> None:
    assert key(action(line), parts=(PART,)) == golden


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("RUN x",), ("RUN y",)),
        (('RUN ["x"]',), ("RUN x",)),
        (("RUN x",), ("RUN x", "USER 1")),
        (("RUN x",), ("RUN x", "WORKDIR /w")),
        (("RUN x",), ("RUN x", "ENV A=1")),
        (("RUN x",), ("RUN x", "ARG A=1")),
        (("RUN x", 'ENV A="x" B="y"'), ("RUN x", 'ENV A="x B=y"')),
        (("RUN x",), ("RUN x", 'SHELL ["sh"]')),
        (("RUN x",), ("RUN --network=none x",)),
        (("RUN x",), ("RUN --mount=type=tmpfs,target=/t x",)),
        (
            ("RUN --mount=type=cache,target=/t x",),
            ("RUN --mount=type=cache,target=/t,id=other x",),
        ),
        (("RUN --mount=type=secret,id=a x",), ("RUN --mount=type=secret,id=b x",)),
        (("RUN <<E\na\nE",), ("RUN <<E\nb\nE",)),
        (("COPY a /b",), ("COPY a /c",)),
        (("COPY a /b",), ("COPY --chown=1 a /b",)),
        (("COPY a /b",), ("COPY --chmod=600 a /b",)),
        (("COPY a /b",), ("COPY --link a /b",)),
        (("COPY a b",), ("COPY a b", "WORKDIR /w")),
        (("COPY a /b",), ("ADD a /b",)),
        (("WORKDIR /w",), ("WORKDIR /w", "USER 1")),
    ],
)
def test_differs(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = action(*one), action(*other)
    assert key(first) != key(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("RUN x",), ("RUN x", "LABEL a=b")),
        (("RUN x",), ("RUN x", "EXPOSE 80")),
        (("RUN x",), ("RUN x", "CMD y")),
        (("COPY a /b",), ("COPY a /b", "ENV A=1")),
        (("COPY a /b",), ("COPY   a   /b",)),
    ],
)
def test_is_the_same(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert key(action(*one)) == key(action(*other))


def test_what_comes_from_outside_counts() -> None:
    run = action("RUN --mount=type=secret,id=s x")
    found = {
        key(run),
        key(run, parents=("other",)),
        key(run, parts=(PART,)),
        key(run, parts=(None,)),
        key(run, policy=Policy(epoch=None)),
        key(run, policy=Policy(epoch=1)),
        key(run, policy=Policy(blacklist=("/x",))),
        key(run, policy=Policy(preserve_root=True)),
        key(run, secrets={"s": ""}),
        key(run, secrets={"s": "env:ONE"}),
        key(run, secrets={"s": "env:OTHER"}),
    }
    assert len(found) == 11
    assert key(run, secrets={"unrelated": ""}) == key(run)


@pytest.mark.parametrize(
    ("mount", "name"),
    [
        ("type=secret,target=/run/secrets/s", "s"),
        ("type=secret,source=s", "s"),
        ("type=ssh", "ssh:default"),
        ("type=ssh,id=k", "ssh:k"),
    ],
)
def test_what_names_a_secret_or_agent_tells_whether_it_is_there(mount: str, name: str) -> None:
    run = action(f"RUN --mount={mount} x")
    assert key(run, secrets={name: ""}) != key(run)


def test_a_cache_of_the_id_of_a_secret_is_none() -> None:
    run = action("RUN --mount=type=cache,id=s,target=/c x")
    assert key(run, secrets={"s": ""}) == key(run)


def run_on(platform: Platform) -> Action:
    shelf = Shelf(busybox=outside("busybox", platform))
    return planned("FROM busybox\nRUN x\n", shelf, platform=platform).chain[0].action


def test_platform_counts() -> None:
    assert key(run_on(AMD64)) != key(run_on(ARM64))


@given(
    st.lists(
        st.tuples(st.text("ab=", min_size=1, max_size=3), st.text("ab= ", max_size=3)), max_size=3
    ),
    st.lists(
        st.tuples(st.text("ab=", min_size=1, max_size=3), st.text("ab= ", max_size=3)), max_size=3
    ),
)
def test_canonical_values_never_share_an_encoding(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert (digests.canonical(one) == digests.canonical(other)) == (one == other)
