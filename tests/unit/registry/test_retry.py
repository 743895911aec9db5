import pytest

from mkbuild.errors import RegistryError
from mkbuild.events import Message, Transfer
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.retry import TransientError, retry, retry_after


class Flaky:
    """Fails some times before it succeeds."""

    def __init__(self, failures: int, after: float | None = None) -> None:
        self.left = failures
        self.after = after

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise TransientError("it broke", after=self.after, hint="repair it")
        return "done"


def run(flaky: Flaky, **settings: float) -> tuple[list[float], list[Transfer | Message], str]:
    pauses: list[float] = []
    reports: list[Transfer | Message] = []
    result = retry(
        RegistrySettings(**settings),  # type: ignore[arg-type]
        reports.append,
        pauses.append,
        flaky,
    )
    return pauses, reports, result


def test_success_says_nothing() -> None:
    assert run(Flaky(0)) == ([], [], "done")


def test_pauses_grow_up_to_a_bound() -> None:
    pauses, reports, _ = run(Flaky(5), retries=5, retry_backoff=4, retry_backoff_max=3)
    for pause, base in zip(pauses, (0.5, 2, 3, 3, 3), strict=True):
        assert base / 2 <= pause <= base
    assert isinstance(reports[0], Message)
    assert reports[0].text.startswith("it broke; attempt 2 of 6 in ")


def test_the_end() -> None:
    with pytest.raises(RegistryError, match=r"it broke \(tried 3 times\)") as caught:
        run(Flaky(9), retries=2)
    assert not isinstance(caught.value, TransientError)
    assert caught.value.hint == "repair it"


def test_no_retries() -> None:
    with pytest.raises(RegistryError, match="tried 1 times"):
        run(Flaky(1), retries=0)


def test_a_wish_is_kept_but_not_every_one() -> None:
    pauses, _, _ = run(Flaky(1, after=7))
    assert 7 <= pauses[0] <= 7.7
    with pytest.raises(RegistryError, match="asked to wait 121 s"):
        run(Flaky(1, after=121))


def test_cancelled_while_waiting() -> None:
    def cancelled(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry(RegistrySettings(), lambda _: None, cancelled, Flaky(1))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("5", 5.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
        ("soon", None),
        ("\u00b2", None),
        ("9" * 5000, None),
        ("Thu, 01 Jan 99999 00:00:05 GMT", None),
        ("-5", None),
    ],
)
def test_retry_after(header: str | None, expected: float | None) -> None:
    assert retry_after(header, lambda: 10.0) == expected
