"""Processes that a test has started."""

from __future__ import annotations

import psutil


def python_children() -> list[psutil.Process]:
    """Programs in Python under this one; a browser of other tests may run beside them."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.name().startswith("python"):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
