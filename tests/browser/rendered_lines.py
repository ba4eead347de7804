"""How the browser laid a Thai text out in lines, and what is wrong with where they break."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Locator

STARTS_BADLY = re.compile(r"^[\u0e2f-\u0e3a\u0e45-\u0e4e]")
ENDS_BADLY = re.compile(r"[\u0e40-\u0e44]$")

# Every character by the top of its box: marks are boxes of their own, in the line of their letter.
MEASURE = """(element) => {
  const lines = [];
  let text = '';
  let bottom = -Infinity;
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (let at = 0; at < node.length; at++) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      const [box] = range.getClientRects();
      if (box && (box.top + box.bottom) / 2 > bottom) {
        lines.push({ start: text.length, text: '' });
        bottom = box.bottom;
      }
      if (lines.length > 0) lines.at(-1).text += node.data[at];
      text += node.data[at];
    }
  }
  const words = new Intl.Segmenter('th', { granularity: 'word' }).segment(text);
  const bounds = Array.from(words, ({ index }) => index);
  return { text, lines, bounds };
}"""


@dataclass(frozen=True, slots=True)
class Layout:
    """A text, its lines as shown, and the lines whose first letter is no first letter of a word."""

    text: str
    lines: list[str]
    within_words: list[str]

    @property
    def faults(self) -> list[str]:
        """Lines that begin or end with what belongs to another line."""
        starts = [line for line in self.lines if STARTS_BADLY.match(line)]
        ends = [line for line in self.lines[:-1] if ENDS_BADLY.search(line.rstrip())]
        return starts + ends


async def layout(said: Locator) -> Layout:
    """The lines of an element that is shown."""
    found = await said.evaluate(MEASURE)
    lines = found["lines"]
    within = [line["text"] for line in lines if line["start"] not in found["bounds"]]
    return Layout(found["text"], [line["text"] for line in lines], within)
