"""The page in Chromium: size, first paint, 7,000 finals, and the time it adds to a transcript.

    python -m benchmarks.page                   everything
    python -m benchmarks.page --seconds 60      listen longer for the latency
    python -m benchmarks.page --finals 1000     a shorter list

A server of its own recognises what the fake microphone plays: the first clips of the evaluation
audio. The list is filled through the page's own socket. Needs Playwright and a Chromium
(CHROMIUM names one).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.dataset import evaluation_folder, load_clips
from benchmarks.page_metrics import (
    Figure,
    added,
    ages_ms,
    final_event,
    percentile,
    sentences,
    table,
)
from benchmarks.server_process import ROOT, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = ROOT / "realtime_thai_asr_client.html"
LOADS = 5
CLIPS = 6
RATE_HZ = 16_000
PAUSE_S = 1.5
SCROLLED_S = 5
AT_ONCE = 100
FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--enable-precise-memory-info",
)

# Sees every message and every block of audio before the page does.
WATCH = """
const plain = WebSocket;
window.seen = { sent: [], painted: [], sockets: [], arrived: 0 };
window.WebSocket = class extends plain {
  constructor(url) {
    super(url);
    seen.sockets.push(this);
    this.addEventListener('message', ({ data }) => {
      if (/_transcription"/.test(data)) seen.arrived = performance.now();
    });
  }
  send(data) {
    super.send(data);
    if (ArrayBuffer.isView(data)) seen.sent.push([performance.now(), data.length]);
  }
};
addEventListener('DOMContentLoaded', () => {
  const painted = new MutationObserver(() => {
    const { arrived } = seen;
    if (arrived === 0) return;
    seen.arrived = 0;
    requestAnimationFrame(() => requestAnimationFrame(() => {
      seen.painted.push(performance.now() - arrived);
    }));
  });
  for (const id of ['finals', 'partials']) {
    painted.observe(document.getElementById(id), { childList: true, subtree: true });
  }
});
"""
PAINTS = """() => Object.fromEntries(
  performance.getEntriesByType('paint').map(({ name, startTime }) => [name, startTime]))"""
HEAR = """(events) => {
  for (const event of events) {
    seen.sockets.at(-1).onmessage({ data: JSON.stringify(event) });
  }
}"""
HEAR_ONE = """(event) => new Promise((done) => {
  const began = performance.now();
  seen.sockets.at(-1).onmessage({ data: JSON.stringify(event) });
  const ran = performance.now() - began;
  requestAnimationFrame(() => requestAnimationFrame(() => done([ran, performance.now() - began])));
})"""
SCROLL = """(seconds) => new Promise((done) => {
  const box = document.getElementById('scroll');
  const frames = [];
  let before = performance.now();
  const end = before + seconds * 1000;
  let at = box.scrollHeight / 3;
  const next = (now) => {
    frames.push(now - before);
    before = now;
    at += 200; // 12,000 pixels a second: 15 screens
    box.scrollTop = at;
    if (now < end) requestAnimationFrame(next); else done(frames.slice(1));
  };
  requestAnimationFrame(next);
})"""


def find_chromium() -> str:
    """A Chromium on this machine. Raises SystemExit where there is none."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        raise SystemExit("no Chromium: set CHROMIUM to one")
    return found


def write_speech(path: Path) -> None:
    """The first clips with pauses between them, as the fake microphone wants them."""
    clips = load_clips(evaluation_folder() / "dev.jsonl")[:CLIPS]
    pause = np.zeros(round(PAUSE_S * RATE_HZ), dtype=np.int16)
    samples = np.concatenate([part for clip in clips for part in (clip.samples(), pause)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium whose microphone plays speech."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (only this needs it)

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        speech = Path(folder) / "speech.wav"
        write_speech(speech)
        browser = driver.chromium.launch(
            executable_path=find_chromium(),
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={speech}"],
        )
        yield browser
        browser.close()


def first_paints(browser: Browser, url: str) -> list[Figure]:
    """Medians over loads, each with an empty cache."""
    paints = []
    for _ in range(LOADS):
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.wait_for_function("performance.getEntriesByType('paint').length === 2")
        paints.append(page.evaluate(PAINTS))
        context.close()
    return [
        Figure(name.replace("-", " "), statistics.median(p[name] for p in paints), "ms", 1_000)
        for name in ("first-paint", "first-contentful-paint")
    ]


def connected(browser: Browser, url: str) -> Page:
    """The page in a new context, watched and connected."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.add_init_script(WATCH)
    page.goto(url)
    page.click("#connect")
    page.locator("#link-state.on").wait_for()
    return page


def long_list(browser: Browser, url: str, count: int) -> list[Figure]:
    """Many finals: scrolling through them, one more, and the memory they take."""
    page = connected(browser, url)
    events = [final_event(text, n) for n, text in enumerate(sentences(count + 1), start=1)]
    *most, last = events
    for start in range(0, count, AT_ONCE):
        page.evaluate(HEAR, most[start : start + AT_ONCE])
    if page.locator("#finals li").count() != count:
        raise RuntimeError("not every final is in the list")
    page.locator("#scroll").evaluate("(box) => { box.scrollTop = 0; }")
    page.wait_for_timeout(500)
    frames = page.evaluate(SCROLL, SCROLLED_S)
    ran_ms, painted_ms = page.evaluate(HEAR_ONE, last)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    page.context.close()
    return [
        Figure(f"frame while scrolling {count} finals, p95", percentile(frames, 0.95), "ms", 50),
        Figure("frame while scrolling, worst", max(frames), "ms"),
        Figure("one more final, script", ran_ms, "ms"),
        Figure("one more final, until painted", painted_ms, "ms"),
        Figure("JavaScript heap", metrics["JSHeapUsedSize"] / 1e6, "MB", 150),
        Figure("DOM nodes", metrics["Nodes"], ""),
    ]


def own_latency(browser: Browser, url: str, seconds: float) -> list[Figure]:
    """Record for a while; what the page adds before and after the server."""
    page = connected(browser, url)
    rate_hz = page.evaluate("new AudioContext().sampleRate")
    page.click("#record")
    page.wait_for_timeout(seconds * 1_000)
    page.click("#record")
    page.locator("#record", has_text="Start Recording").wait_for(timeout=60_000)
    sent, painted = page.evaluate("[seen.sent, seen.painted]")
    page.context.close()
    audio_ms = np.cumsum([length for _, length in sent]) * 1000 / rate_hz
    blocks = list(zip((at for at, _ in sent), audio_ms.tolist(), strict=True))
    tail = round(seconds * 1_000 / 64 * 0.05)  # the last block is shorter: Stop cut it
    counts = [
        Figure("blocks of audio sent", len(sent), ""),
        Figure("transcripts painted", len(painted), ""),
    ]
    return [*added(ages_ms(blocks[: -max(1, tail)]), painted), *counts]


def main() -> int:
    """Parse arguments and measure; the exit status is 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--finals", type=int, default=7_000, help="finals in the list")
    parser.add_argument("--seconds", type=float, default=40, help="how long to record")
    parser.add_argument("--profile", default="fast", choices=("fast", "balanced", "accurate"))
    parser.add_argument("--out", help="JSON file for the figures")
    arguments = parser.parse_args()
    figures = [Figure("page", PAGE.stat().st_size / 1e3, "kB", 120)]
    with (
        running_server(["--model=whisper-base", f"--profile={arguments.profile}"]) as server,
        chromium() as browser,
    ):
        url = server.control_url.replace("ws://", "http://")
        figures += first_paints(browser, url)
        figures += long_list(browser, url, arguments.finals)
        figures += own_latency(browser, url, arguments.seconds)
    figures.append(Figure("load average at the end", os.getloadavg()[0], ""))
    print(table(figures))
    if arguments.out:
        rows = [asdict(figure) for figure in figures]
        Path(arguments.out).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 1 if any(figure.missed for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
