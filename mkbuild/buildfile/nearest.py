"""The nearest spelling of a word, for hints."""

from collections.abc import Iterable

CUTOFF = 0.6


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed word that is most alike, or None where none is."""
    from difflib import get_close_matches

    by_lower = {candidate.lower(): candidate for candidate in sorted(allowed, reverse=True)}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=CUTOFF)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, allowed: Iterable[str]) -> str | None:
    """Return a hint that offers the nearest spelling, or None."""
    found = nearest(word, allowed)
    return f"did you mean {found!r}?" if found else None
