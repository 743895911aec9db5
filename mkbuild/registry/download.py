"""One download of a blob: what has arrived is kept from attempt to attempt."""

from dataclasses import replace

from mkbuild.errors import RegistryError
from mkbuild.events import Transfer
from mkbuild.oci.model import Descriptor
from mkbuild.registry.answer import Answer
from mkbuild.registry.client import OK, Client, Request
from mkbuild.registry.retry import TransientError
from mkbuild.store.protocol import BlobWriter


class Download:
    """The state of a download between its attempts: how many bytes have been written."""

    def __init__(
        self, client: Client, request: Request, descriptor: Descriptor, blob: BlobWriter, what: str
    ) -> None:
        self._client = client
        self._request = request
        self._descriptor = descriptor
        self._blob = blob
        self._what = what
        self._done = 0

    def attempt(self) -> None:
        """Fetch what is missing; TransientError where another attempt may bring the rest."""
        client, size = self._client, self._descriptor.size
        if self._done == size and size:
            return
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        with client.once(replace(self._request, headers=headers)) as answer:
            # A server that knows no ranges sends all again: what we have is passed over.
            skip = self._done if answer.status == OK else self._check_range(answer)
            for chunk in answer.chunks():
                fresh = memoryview(chunk)[min(skip, len(chunk)) :]
                skip -= len(chunk) - len(fresh)
                self._write(fresh)
        if self._done < size:
            raise TransientError(
                f"{client.registry}: {self._what}: {self._done} of {size} bytes arrived"
            )

    def _check_range(self, answer: Answer) -> int:
        start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if start != str(self._done):
            raise RegistryError(
                f"{self._client.registry}: {self._what}: asked for bytes from {self._done} on,"
                f" got {answer.headers.get('Content-Range', '')[:100]!r}"
            )
        return 0

    def _write(self, data: memoryview) -> None:
        if not data:
            return
        if self._done + len(data) > self._descriptor.size:
            raise RegistryError(
                f"{self._client.registry}: {self._what} is longer than"
                f" the {self._descriptor.size} bytes of its descriptor"
            )
        self._blob.write(data)
        self._done += len(data)
        self.show()

    def show(self, *, finished: bool = False) -> None:
        """Report how much has arrived."""
        size = self._descriptor.size
        self._client.report(Transfer("pull", self._descriptor.digest, self._done, size, finished))
