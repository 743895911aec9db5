"""The lock file's text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.engine.lock import LOCK_FILE, read
from mkbuild.engine.lockfile import parse, render
from mkbuild.errors import BuildFileError

ONE, TWO = digests.of(b"one"), digests.of(b"two")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
BOMB = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
NAMES = st.dictionaries(TEXT, st.sampled_from([ONE, TWO]), max_size=4)


@given(st.dictionaries(TEXT, NAMES, max_size=3), NAMES)
def test_what_is_written_is_read(
    images: dict[str, dict[str, digests.Digest]], urls: dict[str, digests.Digest]
) -> None:
    git = {f"{url}#main": "0" * 40 for url in urls}
    text = render(images, urls, git)
    assert render(dict(reversed(images.items())), urls, git) == text
    assert parse(text.encode(), LOCK_FILE) == (images, urls, git)


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "version: 2\n", "version: 1\nurls: {a: sha256:12}\n", "a: [\n", "1\n"]
)
def test_no_lock_file(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(BuildFileError) as caught:
        read(tmp_path / LOCK_FILE)
    assert "let mkbuild lock write it anew" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[" * 100_000, "levels deep|nesting depth"),  # newer versions of libyaml see it first
        (f"a0: &a0 [x]\n{BOMB}version: *a11\n".encode(), "expand to more than"),
        (f"a0: &a0 {{k: 1}}\n{MERGES}".encode(), "its version is None"),
        (b"version: 1\nimages: {\xff: 1}\n", "not UTF-8"),
        (b"version: [1]\n", "its version is no text"),
        (b"version: " + b"9" * 5000, "its version is 999"),
        (b"- x\n", "no mapping"),
        (b"version: 1\nurls: [1]\n", "line 2 is no mapping"),
        (b"version: 1\nurls: {x: [1]}\n", "x is no text"),
        (b"version: 1\nimages: {x: {linux/amd64: 'sha256:../x'}}\n", "not a sha256 digest"),
        (b"version: 1\ngit: {x: --upload-pack=id}\n", "no commit's hash"),
        (b"version: 1\ngit: {x: '+refs/heads/*:refs/*'}\n", "no commit's hash"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lock_files_that_are_none(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "BUILD.lock").write_bytes(data)
    with pytest.raises(BuildFileError, match=why):
        read(tmp_path / "BUILD.lock")
