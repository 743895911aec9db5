from mkbuild.sandbox.userns import Range, subordinate

TEXT = "root:1:5\nalice:100000:65536\n1000:300000:10\nbob:1:1\nalice:x:1\nalice:5:0\n\n"


def test_ranges_by_name_and_number_follow_each_other() -> None:
    assert subordinate(TEXT, "alice", 1000) == (Range(1, 100000, 65536), Range(65537, 300000, 10))


def test_nobody_has_none() -> None:
    assert subordinate(TEXT, "carol", 7) == ()
    assert subordinate("", "alice", 1000) == ()
