"""A microphone that a test feeds: what it hears is known to the sample, and no time passes.

The page's audio worklet is replaced; everything behind it is the page's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from server import protocol
from tests.browser.steps import connect
from tests.support.fake_server import FakeServer

if TYPE_CHECKING:
    from playwright.async_api import Page

PERIOD = 30_011  # a prime: a hole or a doubled piece shows
FEED = """(() => {
  let node, next = 0;
  globalThis.AudioWorkletNode = class extends GainNode {
    constructor(context) {
      super(context);
      this.port = { postMessage: () => this.port.onmessage?.({ data: null }) };
      node = this;
      next = 0;
    }
  };
  globalThis.feed = (seconds) => {
    let left = Math.round(seconds * node.context.sampleRate);
    for (let size; left > 0; left -= size) {
      size = Math.min(left, 1024);
      const block = Int16Array.from({ length: size }, () => next++ % 30011);
      node.port.onmessage?.({ data: block });
    }
  };
})();"""


async def speak(page: Page, server: FakeServer, seconds: float) -> None:
    """Open the page with the fed microphone, record, and let it hear the first seconds."""
    await page.add_init_script(FEED)
    await connect(page, server)
    await record(page)
    await feed_to(page, server, seconds)


async def feed(page: Page, seconds: float) -> None:
    """Let the microphone hear the next seconds."""
    await page.evaluate("(seconds) => feed(seconds)", seconds)


async def feed_to(page: Page, server: FakeServer, seconds: float) -> None:
    """The same, and wait until the server has them."""
    wanted = len(server.audio) + 2 * round(seconds * rate_hz(server))
    await feed(page, seconds)
    await server.until(lambda: len(server.audio) >= wanted)


def rate_hz(server: FakeServer) -> int:
    """What the page announced."""
    config = server.requests_of(protocol.AudioConfig)[0]
    assert isinstance(config, protocol.AudioConfig)
    assert isinstance(config.sample_rate, int)
    return config.sample_rate


def heard(server: FakeServer, from_s: float, to_s: float) -> bytes:
    """What the microphone heard from one second to another since recording began."""
    rate = rate_hz(server)
    samples = np.arange(round(from_s * rate), round(to_s * rate)) % PERIOD
    return samples.astype("<i2").tobytes()


async def record(page: Page) -> None:
    """Press Start Recording; the page then waits to be fed."""
    await page.click("#record")
    await page.locator("#recording-state", has_text="speak now").wait_for()
