"""What a RUN sees and leaves in the namespace sandbox, as every kind of user."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandbox_users import (
    HOST_USR,
    User,
    busybox_root,
    host_root,
    make_user,
    public_directory,
)

ROOT = pytest.param("root", marks=pytest.mark.root)
RANGES = pytest.param("ranges", marks=[pytest.mark.root, pytest.mark.userns])
ONE_ID = pytest.param("one-id", marks=[pytest.mark.root, pytest.mark.userns])
ALL = pytest.mark.parametrize("user", [ROOT, RANGES, ONE_ID], indirect=True)
MANY_IDS = pytest.mark.parametrize("user", [ROOT, RANGES], indirect=True)
AS_ROOT = pytest.mark.parametrize("user", [ROOT], indirect=True)
SINGLE = pytest.mark.parametrize("user", [ONE_ID], indirect=True)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    yield from public_directory()


@pytest.fixture
def user(request: pytest.FixtureRequest, tmp_path: Path) -> User:
    made = make_user(request.param, tmp_path)
    if made.mode != "root":
        made.own(tmp_path)
    return made


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    return busybox_root(tmp_path / "lower")


def changed(upper: Path) -> set[str]:
    return {str(path.relative_to(upper)) for path in upper.rglob("*")}


@ALL
def test_statuses_and_streams(user: User, lower: Path) -> None:
    def spec(*argv: str) -> dict[str, object]:
        return user.spec(lower, list(argv))

    (lower / "data").write_text("no program")
    (lower / "script").write_text("no interpreter is named")
    (lower / "script").chmod(0o755)
    results = user.run_all(
        [
            spec("/bin/sh", "-c", "echo one; echo two >&2; exit 3"),
            spec("/bin/sh", "-c", "kill -9 $$"),
            spec("sh", "-c", "exit 0"),
            spec("nosuch"),
            spec("/data"),
            spec("/script"),
        ]
    )
    assert [r.status for r in results] == [3, 137, 0, 127, 126, 126]
    assert (results[0].out, results[0].err) == ("one\n", "two\n")
    assert results[3].err == "nosuch: not found\n"
    assert results[4].err == "/data: Permission denied\n"
    assert results[5].err == "/script: Exec format error\n"


@ALL
def test_environment_is_the_specs_and_nothing_else(user: User, lower: Path) -> None:
    result = user.run(lower, ["/bin/env"], env={"A": "1", "PATH": "/bin"})
    assert sorted(result.out.split()) == ["A=1", "PATH=/bin"]
    shown = user.run(lower, "cat /proc/1/cmdline; cat /proc/1/environ || true")
    assert shown.out.strip("\0") == "init"


@ALL
def test_a_run_changes_only_what_it_writes(user: User, lower: Path) -> None:
    (lower / "etc").mkdir()
    os.utime(lower / "etc", (1000, 1000))
    result = user.run(lower, "echo x > /new; cat /etc/hosts", hosts=b"hosts", resolv=b"resolv")
    assert (result.status, result.out) == (0, "hosts")
    # a copied-up directory is there, but equals the one below: its time has been put back
    assert changed(user.upper) == {"new", "etc"}
    assert (user.upper / "etc").stat().st_mtime == 1000


@ALL
def test_scratch_keeps_no_mount_points(user: User, lower: Path) -> None:
    mounts = [
        {"type": "bind", "target": "/busybox/bin", "source": str(lower / "bin")},
        {"type": "tmpfs", "target": "/deep/er"},
        {"type": "secret", "target": "/run/secrets/s", "data": b"x", "mode": 0o400},
    ]
    argv = ["/busybox/bin/busybox", "true"]
    result = user.run(lower, argv, lowers=[], mounts=mounts, hosts=b"h", resolv=b"r")
    assert (result.error, result.status) == ("", 0)
    assert changed(user.upper) == set()


@ALL
def test_stubs_with_something_in_them_stay(user: User, lower: Path) -> None:
    mounts = [{"type": "tmpfs", "target": "/a/b"}, {"type": "tmpfs", "target": "/c/d"}]
    result = user.run(lower, "echo > /a/beside; echo > /c/d/inside", mounts=mounts)
    assert result.status == 0
    assert changed(user.upper) == {"a", "a/beside"}


@ALL
def test_a_link_in_place_of_a_stub_leads_nowhere(user: User, lower: Path, tmp_path: Path) -> None:
    outside = user.directory(tmp_path / "outside")
    user.directory(outside / "empty")
    script = f"mv /a /gone; ln -s {outside} /a; test -h /a"
    mounts = [{"type": "tmpfs", "target": "/a/empty"}]
    user.run(lower, script.replace("mv", "/bin/busybox mv"), mounts=mounts)
    assert (outside / "empty").is_dir()


@ALL
def test_mount_targets_follow_links_inside_the_root_only(
    user: User, lower: Path, tmp_path: Path
) -> None:
    (lower / "out").symlink_to("../../../../../../" + str(tmp_path))
    (lower / "abs").symlink_to("/real")
    (lower / "real").mkdir()
    mounts = [
        {"type": "secret", "target": "/out/s", "data": b"1", "mode": 0o444},
        {"type": "secret", "target": "/abs/s", "data": b"2", "mode": 0o444},
    ]
    result = user.run(lower, f"cat {tmp_path}/s /real/s", mounts=mounts)
    assert (result.status, result.out) == (0, "12")
    assert not (tmp_path / "s").exists()


@ALL
def test_binds_are_read_only_and_writable_ones_are_thrown_away(
    user: User, lower: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub/f").write_text("orig")
    user.own(source)
    user.own(source / "sub")
    user.own(source / "sub/f")
    mounts = [
        {"type": "bind", "target": "/ro", "source": str(source)},
        {"type": "bind", "target": "/rw", "source": str(source), "writable": True},
        {"type": "bind", "target": "/sub", "lowers": [str(source)], "subpath": "sub"},
        {"type": "bind", "target": "/file", "source": str(source), "subpath": "sub/f"},
        {
            "type": "bind",
            "target": "/wfile",
            "source": str(source),
            "subpath": "sub/f",
            "writable": True,
        },
    ]
    script = """
    ! touch /ro/x 2>/dev/null; ! echo > /file 2>/dev/null; ! touch /sub/x 2>/dev/null
    echo changed > /rw/sub/f; rm /rw/sub/f; echo more > /rw/g; echo changed > /wfile
    cat /sub/f /file /wfile; ls /rw /rw/sub
    """
    result = user.run(lower, script, mounts=mounts)
    assert (result.status, result.out) == (0, "origorigchanged\n/rw:\ng\nsub\n\n/rw/sub:\n"), result
    assert (source / "sub/f").read_text() == "orig"
    assert changed(source) == {"sub", "sub/f"}
    assert changed(user.upper) == set()


@ALL
def test_a_state_as_mount_source_is_its_own_root(user: User, lower: Path, tmp_path: Path) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    for place in (base, top):
        place.mkdir()
        user.own(place)
    (base / "rootdir").symlink_to("/")
    (base / "below").write_text("below")
    (base / "both").write_text("below")
    (top / "both").write_text("above")
    mount = {"type": "bind", "target": "/m", "lowers": [str(top), str(base)]}
    result = user.run(
        lower, "ls /m; cat /m/both", mounts=[{**mount, "subpath": "rootdir/rootdir/../.."}]
    )
    assert (result.status, result.out) == (0, "below\nboth\nrootdir\nabove")
    (top / "name").symlink_to("/below")
    result = user.run(lower, "cat /m", mounts=[{**mount, "subpath": "name"}])
    assert (result.status, result.out) == (0, "below"), result


@ALL
def test_cache_keeps_what_is_written(user: User, lower: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    user.own(cache)
    mounts = [{"type": "cache", "target": "/c", "source": str(cache), "writable": True}]
    assert user.run(lower, "echo 1 > /c/f", mounts=mounts).status == 0
    assert (cache / "f").read_text() == "1\n"
    assert changed(user.upper) == set()


@AS_ROOT
def test_a_cache_that_was_replaced_by_a_link_is_refused(
    user: User, lower: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "sub").symlink_to("/etc")
    mount = {"type": "cache", "target": "/c", "source": str(cache), "subpath": "sub"}
    result = user.run(lower, "true", mounts=[mount])
    assert "symbolic link" in result.error


@ALL
def test_secrets(user: User, lower: Path) -> None:
    mounts = [{"type": "secret", "target": "/s", "data": b"canary", "mode": 0o400}]
    script = "stat -c '%a %u %g' /s; cat /s; ! echo x > /s"
    result = user.run(lower, script, mounts=mounts)
    assert (result.status, result.out) == (0, "400 0 0\ncanary"), result
    assert changed(user.upper) == set()
    found = [p for p in user.place.rglob("*") if p.is_file() and b"canary" in p.read_bytes()]
    assert found == []


@MANY_IDS
def test_owners_of_secrets_and_files(user: User, lower: Path) -> None:
    mounts = [{"type": "secret", "target": "/s", "data": b"x", "mode": 0o741, "uid": 7, "gid": 8}]
    script = "stat -c '%f %u %g' /s; touch /f; chown 5:6 /f; stat -c '%u %g' /f"
    result = user.run(lower, script, mounts=mounts)
    assert (result.status, result.out, result.lossy) == (0, "81e1 7 8\n5 6\n", False)


@ALL
def test_tmpfs_has_its_size(user: User, lower: Path) -> None:
    mounts = [{"type": "tmpfs", "target": "/t", "size": 128 << 20}]
    script = "df -k /t | /bin/busybox tail -1 | /bin/busybox awk '{print $2}'; stat -c %a /t"
    result = user.run(lower, script, mounts=mounts)
    assert result.out == "131072\n1777\n"


@ALL
def test_mounts_nest(user: User, lower: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    user.own(cache)
    mounts = [
        {"type": "secret", "target": "/c/t/s", "data": b"in", "mode": 0o444},
        {"type": "tmpfs", "target": "/c/t"},
        {"type": "cache", "target": "/c", "source": str(cache), "writable": True},
    ]
    result = user.run(lower, "cat /c/t/s", mounts=mounts)
    assert (result.status, result.out) == (0, "in"), result


@ALL
def test_errors_name_what_is_missing(user: User, lower: Path) -> None:
    result = user.run(lower, "true", cwd="/nope")
    assert "cannot change to the working directory /nope: No such file" in result.error
    mounts = [{"type": "bind", "target": "/m", "source": "/", "subpath": "no/such"}]
    assert (
        "cannot mount bind on /m: no/such does not exist"
        in user.run(lower, "true", mounts=mounts).error
    )
    root = [{"type": "tmpfs", "target": "/"}]
    assert "the root itself" in user.run(lower, "true", mounts=root).error


@AS_ROOT
def test_what_cannot_be_executed_at_all(user: User, lower: Path) -> None:
    assert "embedded null byte" in user.run(lower, ["/bin/true", "a\0b"]).error
    assert "null byte" in user.run(lower, "true", env={"A": "\0"}).error
    assert "illegal environment" in user.run(lower, "true", env={"A=": ""}).error
    mounts = [{"type": "tmpfs", "target": "/" + "x" * 256}]
    assert "File name too long" in user.run(lower, "true", mounts=mounts).error
    result = user.run(lower, ["/bin/true", "x" * 200_000])
    assert (result.status, result.err) == (126, "/bin/true: Argument list too long\n")


@AS_ROOT
def test_signals_have_their_defaults(user: User, lower: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        result = user.run(lower, ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGHUP, before)
    assert {line.split()[1] for line in result.out.splitlines()} == {"0" * 16}


@ALL
def test_working_directory_never_leads_to_an_inherited_descriptor(user: User, lower: Path) -> None:
    specs = [user.spec(lower, ["true"], cwd=f"/proc/self/fd/{fd}") for fd in range(3, 12)]
    assert [r.error.startswith("cannot change") for r in user.run_all(specs)] == [True] * 9


@MANY_IDS
def test_another_user(user: User, lower: Path) -> None:
    script = """
    id -u; id -g; id -G; grep -E 'Cap(Inh|Eff|Amb)' /proc/self/status
    echo to-stdout > /dev/stdout; ! touch /x
    """
    result = user.run(lower, script, uid=1000, gid=1001, groups=[1001, 7])
    ids = "1000\n1001\n1001 7\n"
    caps = "".join(f"{name}:\t{'0' * 16}\n" for name in ("CapInh", "CapEff", "CapAmb"))
    assert (result.status, result.out) == (0, f"{ids}{caps}to-stdout\n"), result


@ALL
def test_capabilities_are_dockers(user: User, lower: Path) -> None:
    script = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status"
    lines = dict(line.split(":\t") for line in user.run(lower, script).out.splitlines())
    fourteen = "00000000a80425fb"
    assert lines == {
        "CapInh": "0" * 16,
        "CapPrm": fourteen,
        "CapEff": fourteen,
        "CapBnd": fourteen,
        "CapAmb": "0" * 16,
        "NoNewPrivs": "0",
        "Seccomp": "2",
    }


@MANY_IDS
def test_setuid_works(user: User, tmp_path: Path) -> None:
    lower = host_root(tmp_path / "host")
    (lower / "suid").write_bytes(Path("/usr/bin/id").read_bytes())
    if user.mode != "root":
        user.own(lower / "suid")
    (lower / "suid").chmod(0o4755)
    result = user.run(lower, ["/suid", "-u"], uid=1000, gid=1000, mounts=[HOST_USR])
    assert (result.status, result.out) == (0, "0\n"), result


@ALL
def test_pid_1_reaps_orphans(user: User, lower: Path) -> None:
    script = """
    (sleep 0.05 & echo $! > /orphan); pid=$(cat /orphan); i=0
    while kill -0 $pid 2>/dev/null && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done
    if kill -0 $pid 2>/dev/null; then echo left; else echo gone; fi
    """
    assert user.run(lower, script).out == "gone\n"


@ALL
def test_standard_input(user: User, lower: Path) -> None:
    assert user.run(lower, "cat; echo end").out == "end\n"
    data = b"x" * 300_000
    assert user.run(lower, "wc -c", stdin=data).out.strip() == "300000"


@ALL
def test_much_output_arrives_whole(user: User, lower: Path) -> None:
    result = user.run(lower, "seq 1 100000; seq 1 100000 >&2")
    expected = "".join(f"{n}\n" for n in range(1, 100_001))
    assert result.out == expected
    assert result.err == expected


@ALL
def test_host_name_and_devices(user: User, lower: Path) -> None:
    script = """
    hostname; cd /dev; for d in null zero full random urandom tty; do test -c $d; done
    test -d pts; test -d shm; test -d mqueue; test -h ptmx
    for d in fd stdin stdout stderr; do readlink $d; done
    echo x > null; /bin/busybox head -c 3 zero | wc -c; touch /dev/own
    """
    result = user.run(lower, script, hostname="h")
    links = "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n"
    assert (result.status, result.out.replace(" ", "")) == (0, f"h\n{links}3\n"), result
    assert changed(user.upper) == set()


@ALL
def test_network_none_has_loopback_only(user: User, lower: Path) -> None:
    result = user.run(lower, "ip -o addr", network="none")
    assert "127.0.0.1" in result.out
    assert {line.split()[1] for line in result.out.splitlines()} == {"lo"}


@AS_ROOT
def test_permissions_and_limits(user: User, lower: Path) -> None:
    script = "umask; ulimit -c; ulimit -Sn; touch /f; mkdir /d"
    assert user.run(lower, script).out.split() == ["0022", "0", "1024"]
    assert stat.S_IMODE((user.upper / "f").stat().st_mode) == 0o644
    assert stat.S_IMODE((user.upper / "d").stat().st_mode) == 0o755


@AS_ROOT
def test_insecure_has_every_right(user: User, lower: Path) -> None:
    script = "mkdir /m; mount -t tmpfs none /m; mknod /dev/x c 1 3; grep Seccomp: /proc/self/status"
    result = user.run(lower, script, insecure=True)
    assert (result.status, result.out) == (0, "Seccomp:\t0\n"), result


@AS_ROOT
def test_500_lowers(user: User, lower: Path, tmp_path: Path) -> None:
    lowers = []
    for number in range(499):
        place = tmp_path / f"a rather long name: with, odd characters {number}"
        place.mkdir()
        (place / f"f{number}").touch()
        lowers.append(str(place))
    result = user.run(lower, "ls / | wc -l", lowers=[*lowers, str(lower)])
    assert result.out.strip() == str(499 + len(["bin", "dev", "proc", "sys"])), result


@AS_ROOT
def test_a_whole_tree_instead_of_an_overlay(user: User, lower: Path) -> None:
    spec = user.spec(lower, "echo x > /new; test ! -e /proc/sysrq-trigger || ! echo > /proc/sys/x")
    result = user.run_all([{**spec, "lowers": [], "upper": "", "tree": str(lower)}])[0]
    assert result.status == 0
    assert changed(lower) - {f"bin/{p.name}" for p in (lower / "bin").iterdir()} == {"bin", "new"}


@SINGLE
def test_changes_of_owner_are_swallowed_and_told(user: User, lower: Path) -> None:
    scripts = [
        ("touch /f; chown 5:6 /f; stat -c %u:%g /f", "0:0\n", True),
        ("touch /f; chown 0:0 /f", "", False),
        ("ln -s x /l; chown -h 3 /l; mkdir /d; for i in 1 2 3; do chown $i /d; done", "", True),
    ]
    results = user.run_all([user.spec(lower, script) for script, _, _ in scripts])
    assert [(r.status, r.out, r.lossy) for r in results] == [(0, o, y) for _, o, y in scripts]


@SINGLE
def test_ids_that_cannot_be_held(user: User, tmp_path: Path) -> None:
    lower = host_root(tmp_path / "host")
    code = "import os; os.setgroups([5]); os.setresgid(0, 0, 0); print(os.getuid())"
    result = user.run(lower, ["/usr/bin/python3", "-c", code], mounts=[HOST_USR])
    assert (result.status, result.out, result.lossy) == (0, "0\n", False), result
    code = "import os; os.setgid(7); os.setuid(7); os.chown('/', 1, 1); print('done')"
    result = user.run(lower, ["/usr/bin/python3", "-c", code], mounts=[HOST_USR])
    assert (result.status, result.out, result.lossy) == (0, "done\n", True), result
    result = user.run(lower, ["/usr/bin/python3", "-c", "0"], mounts=[HOST_USR], uid=7, gid=7)
    assert (result.status, result.lossy) == (0, True), result


@SINGLE
def test_apt_keeps_its_user(user: User, lower: Path) -> None:
    (lower / "etc/apt/apt.conf.d").mkdir(parents=True)
    result = user.run(lower, "cat /etc/apt/apt.conf.d/*")
    assert result.out == 'APT::Sandbox::User "root";\n'
    assert changed(user.upper) == {"etc", "etc/apt", "etc/apt/apt.conf.d"}
