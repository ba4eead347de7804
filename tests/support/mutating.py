"""Valid messages made wrong, by a seeded chance: the same seed gives the same messages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, MutableMapping, MutableSequence, Sequence
from typing import Any

Message = bytes | str

NUMBERS = (0, -1, 1, 255, 2**31, -(2**31), 2**53 + 1, 2**63, 2**64, -(2**64), 10**300)
FLOATS = (0.1, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"))
TEXTS = (
    "",
    " ",
    "\0",
    "null",
    "../../etc/passwd",
    "%s%n{0}${x}",
    "สวัสดีครับ",
    "ำ่้",
    "\u202e\u200d\ufeff\ufffd",
    "😀" * 50,
    "a" * 5_000,
    "\ud800",  # half of a pair: JSON can say it, UTF-8 cannot
)
DEPTHS = (10, 500, 5_000, 100_000)
LONG_CHARS = 300_000
"""Above the control port's limit, below that of the audio port."""


class Mutator:
    """Makes conversations wrong: each message with a chance of `share`, and their order."""

    def __init__(self, seed: int | str, share: float = 0.5) -> None:
        self.chance = random.Random(seed)
        self._share = share
        self._of_text: tuple[Callable[[str], Message], ...] = (
            *(self._restructured,) * 6,
            self._truncated,
            self._spoiled,
            self._nested,
            self._repeated_key,
            self._stretched,
            lambda text: text.encode("utf-8", "surrogatepass"),
        )
        self._of_bytes: tuple[Callable[[bytes], Message], ...] = (
            lambda data: data[: self.chance.randrange(len(data) + 1)],
            lambda data: data + self.chance.randbytes(self.chance.choice((1, 3, 1_000))),
            lambda data: self.chance.randbytes(len(data)),
            lambda data: b"RIFF" + self.chance.randbytes(4) + b"WAVEfmt " + data,
            lambda data: b"\xff\xff\xff\x7f" * (len(data) // 4),
            lambda data: data.decode("latin-1"),
            lambda _: b"",
        )

    def conversation(self, messages: Sequence[Message]) -> list[Message]:
        """The messages, some of them wrong, left out, said twice or in another order."""
        said: list[Message] = []
        for message in messages:
            if self.chance.random() < 0.08:
                continue
            count = 2 if self.chance.random() < 0.08 else 1
            wrong = self.chance.random() < self._share
            said += [self.message(message) if wrong else message] * count
        if said and self.chance.random() < 0.3:
            first, second = (self.chance.randrange(len(said)) for _ in range(2))
            said[first], said[second] = said[second], said[first]
        return said

    def message(self, message: Message) -> Message:
        """One message made wrong; now and then it stays right."""
        if isinstance(message, bytes):
            return self.chance.choice(self._of_bytes)(message)
        return self.chance.choice(self._of_text)(message)

    def value(self) -> Any:
        """Something that a field of a message is not meant to hold."""
        pools: tuple[Sequence[Any], ...] = (NUMBERS, FLOATS, TEXTS, (None, True, False, [], {}))
        return self.chance.choice(self.chance.choice(pools))

    # -- structure ----------------------------------------------------------------------------

    def _restructured(self, text: str) -> str:
        try:
            structure = json.loads(text)
        except ValueError:
            return self._spoiled(text)
        for _ in range(self.chance.choice((1, 1, 1, 2, 4))):
            structure = self._changed(structure)
        return json.dumps(structure, ensure_ascii=self.chance.random() < 0.9)

    def _changed(self, structure: Any) -> Any:
        place = self._some_place(structure)
        if place is None:
            return self.value()
        holder, key = place
        match self.chance.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[f"{key}_"] = holder.pop(key)
            case 2:
                holder[key] = [holder[key]]
            case 3:
                holder[key] = {str(key): holder[key]}
            case 4 if isinstance(holder, dict):
                holder["request_id"] = self.value()
            case _:
                holder[key] = self.value()
        return structure

    def _some_place(
        self, structure: Any
    ) -> tuple[MutableMapping[Any, Any] | MutableSequence[Any], Any] | None:
        """A random key of a random dict or list within."""
        places: list[tuple[Any, Any]] = []
        waiting = [structure] if isinstance(structure, dict | list) else []
        while waiting:
            holder = waiting.pop()
            keys = holder if isinstance(holder, dict) else range(len(holder))
            for key in keys:
                places.append((holder, key))
                if isinstance(holder[key], dict | list):
                    waiting.append(holder[key])
        return self.chance.choice(places) if places else None

    # -- text ---------------------------------------------------------------------------------

    def _truncated(self, text: str) -> str:
        return text[: self.chance.randrange(len(text) + 1)]

    def _spoiled(self, text: str) -> str:
        at = self.chance.randrange(len(text) + 1)
        piece = self.chance.choice(('"', "}", "[", "\\", ":", ",", "\ufeff", "\0", "é", "1e999"))
        return text[:at] + piece + text[at + self.chance.randrange(2) :]

    def _nested(self, text: str) -> str:
        depth = self.chance.choice(DEPTHS)
        opening, closing = self.chance.choice((("[", "]"), ('{"a":', "}")))
        inner = "1" if self.chance.random() < 0.5 else text
        deep = opening * depth + inner + closing * depth
        return deep if self.chance.random() < 0.5 else text[:-1] + f',"extra":{deep}}}'

    def _repeated_key(self, text: str) -> str:
        return text[:-1] + ',"type":' + json.dumps(self.value()) + "}"

    def _stretched(self, text: str) -> str:
        filler = self.chance.choice((" ", "9", '\\"', "ก"))
        wanted = self.chance.choice((1_000, LONG_CHARS)) // len(filler.encode())
        at = self.chance.randrange(len(text) + 1)
        return text[:at] + filler * wanted + text[at:]
