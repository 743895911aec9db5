"""Build contexts made from a seed: the same bytes on every machine.

The data is mixed as that of real contexts is: a third does not compress, a third is text of words,
a third is bytes of a skewed distribution. Text is cut from a pool of 16 MiB, eight times the window
of zstd at its default level, so that no compressor gains from the repetition.
"""

import itertools
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_CHUNK = 64 << 10
_POOL = 16 << 20
_FILES_IN_DIRECTORY = 50
_SKEWED = bytes((value * value) >> 10 for value in range(256))


@cache
def _text() -> bytes:
    """Return the pool: words of the frequency that a language gives its letters."""
    generator = random.Random(0)
    words = [
        "".join(generator.choices("etaoinshrdlucmfwyp_", k=generator.randint(2, 9)))
        for _ in range(4000)
    ]
    return " ".join(generator.choices(words, k=_POOL // 5)).encode()[:_POOL]


class Data:
    """An endless source of mixed bytes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def take(self, size: int) -> bytes:
        """Return that many bytes of one kind."""
        match self._random.randrange(3):
            case 0:
                return self._random.randbytes(size)
            case 1 if size <= _POOL:
                text = _text()
                start = self._random.randrange(len(text) - size + 1)
                return text[start : start + size]
            case _:
                return self._random.randbytes(size).translate(_SKEWED)

    def stream(self, size: int) -> Iterator[bytes]:
        """Yield that many bytes in pieces of mixed kinds."""
        for start in range(0, size, _CHUNK):
            yield self.take(min(_CHUNK, size - start))


def sizes(seed: int, count: int, total: int) -> list[int]:
    """Return sizes of files as they are in source trees, many small ones; they add up to total."""
    generator = random.Random(seed)
    weights = [generator.lognormvariate(0, 1.2) for _ in range(count)]
    whole = sum(weights)
    ends = [round(total * part / whole) for part in itertools.accumulate(weights)]
    return [end - start for start, end in itertools.pairwise([0, *ends])]


def make_files(directory: Path, seed: int, count: int, total: int) -> None:
    """Make that many files of that many bytes in all, fifty a directory, two levels deep."""
    data = Data(seed)
    for number, size in enumerate(sizes(seed, count, total)):
        file = directory / file_name(number)
        if number % _FILES_IN_DIRECTORY == 0:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.take(size))


def file_name(number: int) -> str:
    """Return where ``make_files`` puts a file."""
    place = number // _FILES_IN_DIRECTORY
    return f"part{place // 20:03d}/dir{place % 20:02d}/file{number:06d}"


def make_file(file: Path, seed: int, size: int) -> None:
    """Make one file of mixed data."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.writelines(Data(seed).stream(size))
