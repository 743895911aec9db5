import pytest

from mkbuild.errors import StepError
from mkbuild.execute.identity import RunUser, owner, run_user
from mkbuild.filesystem.index import Index, Located
from tests.unit.execute.trees import file, state, symlink

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
# comments are lines like any other here
  bob:x:11:12::/home/bob:/bin/sh
bob:x:99:99::/second:/bin/sh
short:x:13
odd:x:many:few::/odd:
homeless:x:15:15:::
"""
GROUP = b"""root:x:0:
#wheel:x:1:bob
staff:x:50:alice,bob
users:x:51:bob
bobs:x:12:bob
"""
STATE = state(
    file("etc/passwd", PASSWD),
    file("etc/group", GROUP),
    embedded={"etc/passwd": PASSWD, "etc/group": GROUP},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", (5, 5)),
        ("5:6", (5, 6)),
        ("root", (0, 0)),
        ("root:5", (0, 5)),
        ("bob", (11, 12)),
        ("bob:7", (11, 7)),
        ("bob:staff", (11, 50)),
        ("5:staff", (5, 50)),
        ("bob:nothing", (11, 12)),
        ("5:nothing", (5, 5)),
        ("nobody", (0, 0)),
        ("nobody:staff", (0, 50)),
        ("short", (13, 0)),
        ("odd", (0, 0)),
        (":staff", (0, 50)),
        ("bob:", (11, 12)),
        ("2147483647", (2147483647, 2147483647)),
    ],
)
def test_owners(text: str, expected: tuple[int, int]) -> None:
    assert owner(STATE, text) == expected


@pytest.mark.parametrize("text", ["bob", "5:staff", "bob:5"])
def test_nobody_is_known_in_an_empty_state(text: str) -> None:
    assert owner(Index(), text) == {"bob": (0, 0), "5:staff": (5, 5), "bob:5": (0, 5)}[text]


@pytest.mark.parametrize("text", ["2147483648", "-1", "5:-1"])
def test_ids_out_of_range(text: str) -> None:
    with pytest.raises(StepError, match="between"):
        owner(STATE, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", RunUser(0, 0, (0,), "/root")),
        ("root", RunUser(0, 0, (0,), "/root")),
        ("bob", RunUser(11, 12, (12, 50, 51), "/home/bob")),
        ("11", RunUser(11, 12, (12, 50, 51), "/home/bob")),
        ("bob:staff", RunUser(11, 50, (50,), "/home/bob")),
        ("11:50", RunUser(11, 50, (50,), "/home/bob")),
        ("bob:7", RunUser(11, 7, (7,), "/home/bob")),
        ("77", RunUser(77, 0, (0,), "/")),
        ("77:staff", RunUser(77, 50, (50,), "/")),
        ("homeless", RunUser(15, 15, (15,), "/")),
    ],
)
def test_who_runs(text: str, expected: RunUser) -> None:
    assert run_user(STATE, text) == expected


@pytest.mark.parametrize(
    ("text", "message"), [("bab", "user bab"), ("bob:stuff", "group stuff"), ("x:5", "user x")]
)
def test_who_is_not_known_does_not_run(text: str, message: str) -> None:
    with pytest.raises(StepError, match=f"unable to find {message}"):
        run_user(STATE, text)


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(StepError) as caught:
        run_user(STATE, "bobb")
    assert caught.value.hint == "did you mean bob?"


def test_root_runs_in_an_empty_state() -> None:
    assert run_user(Index(), "") == RunUser(0, 0, (0,), "/")


def test_accounts_behind_a_symlink_are_read() -> None:
    index = state(symlink("etc/passwd", "/usr/etc/passwd"), file("usr/etc/passwd", PASSWD))

    def read(located: Located) -> bytes:
        assert located.entry.path == "usr/etc/passwd"
        return PASSWD

    assert owner(index, "bob", read=read) == (11, 12)
    with pytest.raises(StepError, match="usr/etc/passwd"):
        owner(index, "bob")
