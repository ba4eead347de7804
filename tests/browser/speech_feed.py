"""A microphone that hears what a test says: the same samples in every run, with no clock."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

from audio.types import Samples
from tests.support.speech import pcm16

if TYPE_CHECKING:
    from playwright.async_api import Page

RATE_HZ = 48_000
BLOCK_S = 0.25
HEAR = """(() => {
  let node;
  globalThis.AudioContext = class extends AudioContext {
    constructor(options) { super({ ...options, sampleRate: 48_000 }); }
  };
  globalThis.AudioWorkletNode = class extends GainNode {
    constructor(context) {
      super(context);
      this.port = { postMessage: () => this.port.onmessage?.({ data: null }) };
      node = this;
    }
  };
  globalThis.hear = (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const samples = new Int16Array(bytes.buffer);
    for (let at = 0; at < samples.length; at += 1024) {
      node.port.onmessage?.({ data: samples.slice(at, at + 1024) });
    }
  };
})();"""


class SpokenAudio:
    """Audio for the microphone, and how much of it was said."""

    def __init__(self, samples: Samples) -> None:
        size = len(samples) * RATE_HZ // 16_000
        at = np.arange(size) * 16_000 / RATE_HZ
        self._pcm = pcm16(np.interp(at, np.arange(len(samples)), samples).astype(np.float32))
        self.seconds = size / RATE_HZ
        self.said_s = 0.0

    async def say(self, page: Page, until_s: float | None = None) -> None:
        """Let a page hear what comes up to that second, or to the end, at once."""
        end_s = self.seconds if until_s is None else until_s
        while self.said_s < end_s:
            start = 2 * round(self.said_s * RATE_HZ)
            self.said_s = min(end_s, self.said_s + BLOCK_S)
            block = self._pcm[start : 2 * round(self.said_s * RATE_HZ)]
            await page.evaluate("(encoded) => hear(encoded)", base64.b64encode(block).decode())
