"""Whether to fork a process that works beside this one.

Nothing heavy is imported here: this is asked before a build does anything else.
"""

import os


def pays() -> bool:
    """Whether there is a processor for it, and no thread that could hold a lock for ever in it."""
    alone = len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 -- pathlib costs 10 ms
    return alone and len(os.sched_getaffinity(0)) > 1
