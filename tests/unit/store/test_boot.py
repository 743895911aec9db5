"""This boot, and the ones before."""

from pathlib import Path

from mkbuild.store import boot


def test_this_one() -> None:
    assert boot.current() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_others_are_those_that_are_not_this_one(tmp_path: Path) -> None:
    assert boot.others(str(tmp_path)) == []
    for name in (boot.current(), f"{boot.current()}.0a", "another"):
        (tmp_path / boot.DIRECTORY / name).mkdir(parents=True)
    assert boot.others(str(tmp_path)) == ["another"]
