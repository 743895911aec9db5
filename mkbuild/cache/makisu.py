"""A key-value store over HTTP as Makisu spoke it: GET and PUT ``<address>/<base64url(key)>``.

For those who have such a server. It keeps no blobs: layers and big TOCs travel by another cache
or the registry.
"""

import base64
from collections.abc import Mapping, Sequence

from mkbuild.cache.aging import Aging
from mkbuild.cache.parallel import each
from mkbuild.cache.protocol import Record
from mkbuild.cache.web import WebClient

_PUT_THREADS = 8


class MakisuKeyValue:
    """KeyValue on such a server; arguments as of :class:`mkbuild.cache.http.HttpCache`."""

    def __init__(
        self,
        url: str,
        *,
        aging: Aging,
        headers: Mapping[str, str],
        writable: bool = True,
    ) -> None:
        self._web = WebClient(url, headers)
        self.name = f"the HTTP cache {self._web.base}"
        self._aging = aging
        self._writable = writable

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Look up keys side by side."""
        paths = {_path(key): key for key in keys}
        found: dict[str, bytes] = {}
        stale: dict[str, bytes] = {}
        for path, data in self._web.get_all(list(paths)).items():
            aged = self._aging.open(data)
            if aged is None:
                continue
            found[paths[path]] = aged.value
            if aged.stale and self._writable:
                stale[paths[path]] = aged.value
        self._put_all(stale)
        return found

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store entries side by side; a living one is left alone."""
        there = {} if replace else self.get_many(list(records))
        self._put_all({key: r.value for key, r in records.items() if key not in there})

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def _put_all(self, values: Mapping[str, bytes]) -> None:
        def put(item: tuple[str, bytes]) -> None:
            data = self._aging.seal(item[1])
            self._web.put(_path(item[0]), data, len(data))

        each(put, values.items(), _PUT_THREADS)


def _path(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()
