"""Which boot of the machine this is: what one boot left half written, the next one must doubt.

Nothing heavy is imported here: this is what a no-op runs.
"""

import os

DIRECTORY = "unsynced"
"""Below the root of a store, a directory for each boot whose blobs may not be on the disk yet."""


def current() -> str:
    """Return the id of this boot, which containers share with their host (random(4))."""
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123 -- pathlib costs 10 ms
        return file.read().strip()


def others(root: str) -> list[str]:
    """Return the directories of earlier boots, whose blobs nobody has looked at since."""
    try:
        found = os.listdir(f"{root}/{DIRECTORY}")  # noqa: PTH208 -- likewise
    except FileNotFoundError:
        return []
    this = current()
    return [name for name in found if not name.startswith(this)]
