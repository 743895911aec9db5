"""The nearest known spelling of a word, for hints."""

from collections.abc import Iterable

_CUTOFF = 0.6


def nearest(word: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str | None:
    """Return the known word that is most like ``word``; None where none is, or it is known.

    Case does not count in the comparison; ``cutoff`` is 0 for anything, 1 for nothing but itself.
    """
    from difflib import get_close_matches

    by_folded = {name.casefold(): name for name in sorted(known)}
    folded = word.casefold()
    if folded in by_folded:
        return None
    found = get_close_matches(folded, by_folded, n=1, cutoff=cutoff)
    return by_folded[found[0]] if found else None


def hint(word: str, known: Iterable[str], prefix: str = "") -> str | None:
    """Phrase the nearest spelling as a hint, in the case of ``word``; None where there is none."""
    match = nearest(word, known)
    if match is None:
        return None
    if word.isupper():
        match = match.upper()
    return f"did you mean {prefix}{match}?"
