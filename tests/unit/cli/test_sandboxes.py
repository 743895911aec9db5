"""doctor's table of sandbox modes."""

from mkbuild.cli.sandboxes import lines
from mkbuild.sandbox.modes import Mode


def test_the_table_says_what_works_what_is_taken_and_what_to_do() -> None:
    long = "the kernel refuses a user namespace: Operation not permitted (unshare), as it says"
    modes = [
        Mode("namespace", works=False, detail=long, keeps_from="the machine"),
        Mode("chroot", works=True, detail="with mounts", keeps_from="nothing", taken=True),
        Mode("modifyfs", works=False, detail="/ is a machine's", keeps_from="nothing"),
    ]
    assert list(lines(modes)) == [
        "sandbox    works  keeps a RUN from",
        "namespace  no     the machine",
        "                  the kernel refuses a user namespace: Operation not permitted",
        "                  (unshare), as it says",
        "                  fix: run as root, or allow user namespaces (see above)",
        "chroot     yes *  nothing",
        "                  with mounts",
        "modifyfs   no     nothing",
        "                  / is a machine's",
        "                  fix: only in a container that is thrown away: take the image",
        "                  mkbuild-static",
        "* is what --sandbox=auto takes",
    ]
