"""Where store, cache and snapshots live unless somebody says otherwise."""

TYPE_CHECKING = False  # collections take a no-op 2 ms
if TYPE_CHECKING:
    from collections.abc import Mapping


def default_place(env: "Mapping[str, str]") -> str:
    """Return the directory: ``mkbuild`` in the user's cache (XDG base directory specification)."""
    cache = env.get("XDG_CACHE_HOME") or f"{env.get('HOME') or '/root'}/.cache"
    return f"{cache.rstrip('/')}/mkbuild"
