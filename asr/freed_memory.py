"""Memory that was freed, and that glibc keeps."""

from __future__ import annotations

import ctypes
import sys


def return_freed_memory() -> None:
    """Have glibc give it back to the system: weights of a model that left, buffers of decodes.

    Takes 10 to 20 ms for 400 MB, in which threads that need memory wait for it by turns.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
