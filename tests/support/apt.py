"""A small apt repository on loopback, with a package that does what Debian's packages do."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONTROL = """\
Package: {name}
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.org>
Depends: {depends}
Description: for tests
"""
POSTINST = """\
#!/bin/sh
set -e
chown games:mail /var/lib/probe
chmod 2750 /var/lib/probe
su -s /bin/sh -c 'touch /tmp/by-nobody' nobody && rm /tmp/by-nobody
"""


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _package(place: Path, name: str, files: dict[str, str], depends: str, postinst: str) -> str:
    """Make a package in a directory; returns its stanza of ``Packages``."""
    tree = place / "tree" / name
    (tree / "DEBIAN").mkdir(parents=True)
    control = CONTROL.format(name=name, depends=depends)
    (tree / "DEBIAN/control").write_text(control)
    (tree / "DEBIAN/postinst").write_text(postinst)
    (tree / "DEBIAN/postinst").chmod(0o755)
    for path, text in files.items():
        target = tree / path
        target.parent.mkdir(parents=True)
        target.write_text(text)
        target.chmod(0o755)
    deb = place / f"{name}_1.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
    data = deb.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{control}Filename: ./{deb.name}\nSize: {len(data)}\nSHA256: {digest}\n"


@contextmanager
def repository(place: Path) -> Iterator[str]:
    """Serve a repository with the packages ``probe`` and ``libprobe``; yields its URL."""
    (place / "served").mkdir()
    served = place / "served"
    library = {"usr/share/libprobe/text": "echo probed\n", "var/lib/probe/state": ""}
    packages = [
        _package(served, "libprobe", library, "base-files", POSTINST),
        _package(
            served,
            "probe",
            {"usr/bin/probe": "#!/bin/sh\n. /usr/share/libprobe/text\n"},
            "libprobe (>= 1.0)",
            "#!/bin/sh\ntrue\n",
        ),
    ]
    (served / "Packages").write_text("\n".join(packages))
    handler = partial(_Handler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
