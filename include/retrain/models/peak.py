"""The most that this process has had in memory."""

import resource
import sys


def peak_memory() -> int:
    """Return it in bytes; a fork begins with what the process had that it was made of."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
