"""ADD of a URL: one file, mode 0600, as old as its Last-Modified header says.

Import this only where something is downloaded: it brings an HTTP client.
"""

import hashlib
import re
import urllib.parse
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar

import urllib3

from mkbuild.errors import PullError, StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry
from mkbuild.registry.http import HTTPAdapter, HTTPBasicAuth, get_auth_from_url, requests

MODE = 0o600
UNNAMED = "__unnamed__"
"""Name of what comes from a URL whose path has none."""

_CHECKSUM = re.compile(r"(sha256):[0-9a-f]{64}|(sha384):[0-9a-f]{96}|(sha512):[0-9a-f]{128}")
_CHUNK = 1 << 20
_TIMEOUT = (20, 120)
"""Seconds to connect, and between two pieces of the answer."""
_RETRIES, _BACKOFF = 2, 0.2


class Download:
    """A file that was fetched; implements mkbuild.filesystem.source.SourceTree.

    ``etag``: what the server calls this version of it, empty where it does not.
    """

    def __init__(self, entry: Entry, path: Path, etag: str) -> None:
        self._index = Index()
        self._index.put(Located(entry, "download", entry.path))
        self._path = path
        self.etag = etag

    @property
    def index(self) -> Index:
        """A root directory with the file."""
        return self._index

    def digests(self, files: Sequence[Located]) -> list[bytes]:
        """Return digests of files, all of them known."""
        return [file.entry.content or b"" for file in files]

    def source(self, file: Located) -> str:
        """Return where the bytes are."""
        del file
        return str(self._path)


def name_of(url: str) -> str:
    """Return what the file of a URL is called: the last part of the URL's path."""
    path = urllib.parse.unquote(
        urllib.parse.urlsplit(url).path, encoding="utf-8", errors="surrogateescape"
    )
    name = path.rstrip("/").rpartition("/")[2]
    if "\0" in name:
        raise StepError(f"the name in {url!r} cannot be a file's")
    return UNNAMED if name in {"", ".", ".."} else name


def download(url: str, checksum: str | None, scratch: Path) -> Download:
    """Fetch a URL into a directory; the file's own name never becomes one there.

    ``checksum``: ``sha256:…`` (or sha384, sha512) that its bytes must have. Raises PullError where
    the server does not give it, StepError where it is another file.
    """
    expected = _algorithm(checksum) if checksum is not None else None
    path = scratch / "download"
    try:
        with _session() as session, session.get(url, stream=True, timeout=_TIMEOUT) as answer:
            if not answer.ok:
                missing = answer.status_code == requests.codes.not_found
                raise PullError(
                    f"cannot download {_shown(url)}: {answer.status_code} {answer.reason}",
                    hint="check the URL" if missing else None,
                )
            hashes = _save(answer, path, expected or "sha256")
            etag = str(answer.headers.get("ETag", ""))
            return Download(_entry(url, path, answer, hashes, checksum), path, etag)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise PullError(f"cannot download {_shown(url)}: {_reason(error)}") from error


_Request = TypeVar("_Request", bound=requests.PreparedRequest)


class _Session(requests.Session):
    """Sends the credentials that a URL itself holds, to its own host, and nobody's .netrc."""

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Drop credentials where a redirect leads to another host."""
        before, after = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(before, after):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def _session() -> requests.Session:
    session = _Session()
    retry = urllib3.Retry(
        _RETRIES, status_forcelist=(502, 503, 504), backoff_factor=_BACKOFF, raise_on_status=False
    )
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.auth = _own_credentials
    # Some servers compress an archive once more where they may.
    session.headers["Accept-Encoding"] = "identity"
    session.hooks["response"].append(refuse_downgrade)
    return session


def _own_credentials(request: _Request) -> _Request:
    user, password = get_auth_from_url(request.url or "")
    if user or password:
        HTTPBasicAuth(user, password)(request)
    return request


def _algorithm(checksum: str) -> str:
    found = _CHECKSUM.fullmatch(checksum)
    if found is None:
        raise StepError(
            f"invalid checksum digest format: {checksum!r}",
            hint="write --checksum=sha256:<64 hex digits>",
        )
    return checksum.partition(":")[0]


def refuse_downgrade(answer: requests.Response, *_: object, **__: object) -> None:
    """Raise PullError where an encrypted answer redirects to where nothing is (a response hook)."""
    target = answer.headers.get("Location", "") if answer.is_redirect else ""
    if answer.url.startswith("https:") and target.lower().startswith("http:"):
        raise PullError(
            f"{_shown(answer.url)} redirects to {_shown(target)}, which is not encrypted",
            hint="use the address that it redirects to, if that is what you want",
        )


def _save(answer: requests.Response, path: Path, algorithm: str) -> tuple[bytes, str]:
    """Write the body; return its raw SHA-256, and its digest by another algorithm in hex."""
    content, other = hashlib.sha256(), hashlib.new(algorithm)
    with path.open("xb") as file:
        for piece in answer.iter_content(_CHUNK):
            content.update(piece)
            if algorithm != "sha256":
                other.update(piece)
            file.write(piece)
    return content.digest(), (content if algorithm == "sha256" else other).hexdigest()


def _entry(
    url: str,
    path: Path,
    answer: requests.Response,
    hashes: tuple[bytes, str],
    checksum: str | None,
) -> Entry:
    content, found = hashes
    if checksum is not None and checksum.partition(":")[2] != found:
        algorithm = checksum.partition(":")[0]
        raise StepError(
            f"digest mismatch for {_shown(url)}: it is {algorithm}:{found}, expected {checksum}",
            hint="the file has changed, or it is not the one that was meant",
        )
    return Entry(
        name_of(url),
        toc.FILE,
        MODE,
        size=path.stat().st_size,
        mtime=_modified(answer.headers.get("Last-Modified", "")),
        content=content,
    )


def _modified(header: str) -> int:
    """Read Last-Modified; a file without one is of 1970, as with BuildKit."""
    try:
        return max(0, int(parsedate_to_datetime(header).timestamp()))
    except ValueError:
        return 0


def _shown(url: str) -> str:
    """Return a URL without the user and password in it."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _reason(error: Exception) -> str:
    """Say why in the innermost error's words, without addresses of objects or passwords."""
    while error.__cause__ is not None or error.__context__ is not None:
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(error) or type(error).__name__
