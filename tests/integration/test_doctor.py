"""doctor against real servers: registries with and without a login, caches, dead ones."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.command import Mkbuild
from tests.support.computer import write
from tests.support.hostile import hostile_server, silent
from tests.support.nginx import NginxServer
from tests.support.redis import RedisServer, redis_server
from tests.support.registry import PASSWORD, USER, RealRegistry, free_port

pytestmark = [pytest.mark.registry, pytest.mark.redis, pytest.mark.nginx]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with RealRegistry(tmp_path_factory.mktemp("guarded"), password=True) as server:
        yield server


def doctor(
    tmp_path: Path, files: Mapping[str, str], *args: str, **environment: str
) -> dict[str, dict[str, str]]:
    """Run it in a directory with files; returns the checks by name (and purpose)."""
    work = write(tmp_path / "work", files)
    work.mkdir(exist_ok=True)
    mkbuild = Mkbuild(work, tmp_path / "store", environment={"HOME": str(tmp_path), **environment})
    done = mkbuild.run("doctor", "--json", *args)
    assert done.returncode in (0, 3), done.stderr
    assert not done.stderr or done.returncode == 3
    return {
        f"{check['name']} {check['detail'].partition(':')[0]}"
        if check["name"].startswith("registry ") and not check["name"].endswith(" cache")
        else check["name"]: check
        for check in json.loads(done.stdout)
    }


def login(place: Path, registry: str, password: str) -> None:
    secret = base64.b64encode(f"{USER}:{password}".encode()).decode()
    document = json.dumps({"auths": {registry: {"auth": secret}}})
    write(place, {".docker/config.json": document})


def image(registry: str) -> dict[str, str]:
    build_file = f"version: 1\nimages: {{app: {{context: ., tags: ['{registry}/doctor/app:1']}}}}\n"
    return {"BUILD.yaml": build_file, "Dockerfile": f"FROM {registry}/doctor/base\n"}


def test_a_login_that_works(tmp_path: Path, guarded: RealRegistry) -> None:
    login(tmp_path, guarded.address, PASSWORD)
    checks = doctor(tmp_path, image(guarded.address))
    for purpose in ("push", "pull"):
        check = checks[f"registry {guarded.address} {purpose}"]
        assert check["works"]
        assert check["detail"] == f"{purpose}: accepted, as {USER}"
    assert checks["clock"]["works"]
    assert guarded.address in checks["clock"]["detail"]
    assert not list(guarded.storage.rglob("_uploads/*/startedat")), "the upload was cancelled"


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_login_that_does_not(tmp_path: Path, guarded: RealRegistry, password: str) -> None:
    if password:
        login(tmp_path, guarded.address, password)
    check = doctor(tmp_path, image(guarded.address))[f"registry {guarded.address} push"]
    assert not check["works"]
    assert "401" in check["detail"]
    assert f"docker login {guarded.address}" in check["fix"]
    assert "wrong" not in json.dumps(check)


def test_a_broken_file_of_logins(tmp_path: Path, guarded: RealRegistry) -> None:
    write(tmp_path, {".docker/config.json": "{"})
    checks = doctor(tmp_path, image(guarded.address))
    for purpose in ("push", "pull"):
        detail = checks[f"registry {guarded.address} {purpose}"]["detail"]
        assert "config.json is not JSON" in detail


def remotes(*lines: str) -> dict[str, str]:
    listed = "".join(f"    - {line}\n" for line in lines)
    text = f"version: 1\nimages: {{}}\ncache:\n  remotes:\n{listed}"
    return {"BUILD.yaml": text}


def test_caches_that_work(
    tmp_path: Path, redis: RedisServer, nginx: NginxServer, registry: RealRegistry
) -> None:
    files = remotes(
        f"{{type: redis, url: '{redis.url}'}}",
        f"{{type: http, url: '{nginx.url}/doctor'}}",
        f"{{type: registry, ref: '{registry.address}/doctor/cache'}}",
        f"{{type: directory, path: '{tmp_path}/shared'}}",
    )
    checks = doctor(tmp_path, files)
    found = {name: check for name, check in checks.items() if name.endswith(" cache")}
    assert found.keys() == {"redis cache", "http cache", "registry cache", "directory cache"}
    for check in found.values():
        assert check["works"], check
        assert check["detail"].endswith(": reads and writes")


def test_caches_that_do_not(tmp_path: Path) -> None:
    dead = free_port()
    (tmp_path / "file").touch()
    with redis_server(tmp_path / "redis", "secret") as redis, hostile_server(silent) as hanging:
        for line, words in {
            f"{{type: redis, url: 'redis://localhost:{dead}/0'}}": "refused",
            f"{{type: redis, url: 'redis://localhost:{hanging}/0'}}": "",
            f"{{type: redis, url: '{redis.url}'}}": "uthentication",
            f"{{type: http, url: 'http://localhost:{dead}'}}": "",
            f"{{type: http, url: 'http://localhost:{hanging}'}}": "",
            f"{{type: registry, ref: 'localhost:{hanging}/cache'}}": "no answer within",
            f"{{type: directory, path: '{tmp_path}/none', mode: read-only}}": "No such file",
            f"{{type: directory, path: '{tmp_path}/file'}}": "Not a directory",
        }.items():
            checks = doctor(tmp_path, remotes(line))
            (check,) = (check for name, check in checks.items() if name.endswith(" cache"))
            assert not check["works"], line
            assert words in check["detail"]
            assert check["fix"]


def test_hanging_servers_are_asked_side_by_side(tmp_path: Path) -> None:
    with hostile_server(silent) as port:
        images = "".join(
            f"  i{n}: {{context: ., tags: ['127.0.0.{n + 1}:{port}/a/b']}}\n" for n in range(3)
        )
        files = remotes(*[f"{{type: http, url: 'http://localhost:{port}/{n}'}}" for n in range(20)])
        files["BUILD.yaml"] = files["BUILD.yaml"].replace("images: {}", f"images:\n{images}")
        files["Dockerfile"] = "FROM scratch\n"
        checks = doctor(tmp_path, files)
    assert not any(check["works"] for name, check in checks.items() if name.startswith("registry"))


def test_mirrors_and_flags(tmp_path: Path, redis: RedisServer) -> None:
    layout = tmp_path / "mirror" / "library" / "busybox"
    write(layout, {"oci-layout": '{"imageLayoutVersion": "1.0.0"}', "index.json": "{}"})
    settings = {"docker.io": {"mirrors": [f"oci-layout:{tmp_path}/mirror"]}}
    write(tmp_path, {"registries.json": json.dumps(settings)})
    files = {
        "BUILD.yaml": "version: 1\nimages: {a: {context: .}}\n",
        "Dockerfile": "FROM busybox\n",
    }
    checks = doctor(
        tmp_path,
        files,
        *("--registries", str(tmp_path / "registries.json")),
        MKBUILD_REDIS_CACHE_ADDR=f"localhost:{redis.port}",
    )
    assert checks["registry docker.io pull"]["works"]
    assert f"from oci-layout:{layout}" in checks["registry docker.io pull"]["detail"]
    assert checks["redis cache"]["works"]


def test_without_a_build_file_and_with_a_broken_one(tmp_path: Path) -> None:
    checks = doctor(tmp_path, {})
    assert checks["clock"]["works"]
    assert not [name for name in checks if name.startswith("registry")]
    broken = doctor(tmp_path, {"BUILD.yaml": "version: 7\n"})["settings"]
    assert not broken["works"]
    assert "BUILD.yaml" in broken["detail"]
