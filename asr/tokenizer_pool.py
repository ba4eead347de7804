"""Tokenizers by their content, so that models with the same one share it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

import tokenizers

MOST_KEPT: Final = 4
"""All multilingual Whispers before large-v3 have one tokenizer, those since have another."""


class TokenizerPool:
    """Reads each `tokenizer.json` once. Thread-safe, as are the tokenizers.

    Reading one takes a tenth of a second, in which no other thread of this process runs: with the
    built-in model's read before anybody is connected, switches among its kin stop nobody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tokenizers.Tokenizer] = OrderedDict()

    def read(self, path: Path) -> tokenizers.Tokenizer:
        """The tokenizer of a file. Raises OSError, and what `tokenizers` raises."""
        content = path.read_bytes()
        key = hashlib.sha256(content).digest()
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = tokenizers.Tokenizer.from_buffer(content)
                if len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return found
