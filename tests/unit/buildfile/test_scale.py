"""1,000 targets in 100 build files: work grows with the number of targets, not faster."""

from mkbuild.buildfile.load import load
from tests.support.workspace import GitAnswers, large_workspace, memory_files


def test_each_file_is_read_once_and_each_question_asked_once() -> None:
    files = memory_files(large_workspace(files=100, targets=10))
    git = GitAnswers({"sha": "abc"})
    workspace = load("/w/BUILD.yaml", files, env={}, git=git)
    assert len(workspace.targets) == 1000
    assert len(files.reads) == len(set(files.reads)) == 101
    assert files.globs == 1
    assert git.asked == ["sha"]
    assert len(workspace.groups["backend"].items) == 1000


def test_expansion_is_linear_in_targets() -> None:
    def expanded(count: int) -> int:
        files = memory_files(large_workspace(files=count, targets=10))
        calls = CountingEnvironment()
        load("/w/BUILD.yaml", files, env=calls, git=lambda _: "x")
        return calls.asked

    assert expanded(100) == 10 * expanded(10)


class CountingEnvironment(dict[str, str]):
    """An environment without variables that counts questions."""

    asked = 0

    def get(self, key: str) -> None:  # type: ignore[override]
        """Count, and know nothing."""
        if key == "NOTHING":
            self.asked += 1
