"""What a person sees: a terminal screen that knows Thai."""

from __future__ import annotations

import pyte

from client.thai_text import width


class ThaiScreen(pyte.Screen):
    """pyte stops at marks of combining class 0, which most Thai vowels above and below are."""

    def draw(self, data: str) -> None:
        for char in data:
            if width(char) > 0 or self.cursor.x == 0:
                super().draw(char)
            else:
                row, column = self.buffer[self.cursor.y], self.cursor.x - 1
                row[column] = row[column]._replace(data=row[column].data + char)


class Terminal:
    """Feed it what a program writes."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.screen = ThaiScreen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)

    @property
    def lines(self) -> list[str]:
        """Every line with something in it."""
        rows = (self.screen.buffer[y] for y in range(self.screen.lines))
        texts = ("".join(row[x].data for x in range(self.screen.columns)) for row in rows)
        return [text.rstrip() for text in texts if text.strip()]

    @property
    def cursor_is_hidden(self) -> bool:
        hidden: bool = self.screen.cursor.hidden
        return hidden
