"""The page for everybody: axe finds nothing serious, and the keyboard does all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.messages import ErrorEvent, Notice
from server.model_messages import ModelPhase, ModelProgress
from server.peer import Port
from tests.browser.steps import connect, start_recording
from tests.support.fake_server import FakeServer, final, model, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = Path(__file__).resolve().parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
FINDINGS = """async () => (await axe.run()).violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`)"""
# Where the focus is: its name, whether it is the page's body, and whether its middle can be seen.
FOCUS = """() => {
  const at = document.activeElement;
  const box = at.getBoundingClientRect();
  const middle = (from, to, end) => (Math.max(from, 0) + Math.min(to, end)) / 2;
  const seen = document.elementFromPoint(
    middle(box.left, box.right, innerWidth), middle(box.top, box.bottom, innerHeight));
  let opacity = 1;
  for (let up = at; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
  return {
    name: at.id || at.getAttribute('aria-label') || at.textContent.trim(),
    body: at === document.body,
    hidden: !at.contains(seen) && !seen?.contains(at) || opacity < 0.5 || box.width < 4
      || getComputedStyle(at).outlineStyle === 'none',
  };
}"""
MOST_STOPS = 80
SETTLING_FRAMES = 60


async def settled_focus(page: Page) -> dict[str, Any]:
    """What has the focus, once it is seen: scrolling and fading take frames."""
    for _ in range(SETTLING_FRAMES):
        focus: dict[str, Any] = await page.evaluate(FOCUS)
        if focus["body"] or not focus["hidden"]:
            break
        await page.evaluate("new Promise(requestAnimationFrame)")
    return focus


async def nothing(page: Page, server: FakeServer) -> None:
    """The page as it opens."""
    await page.goto(server.page_url)


async def connected(page: Page, server: FakeServer) -> None:
    """Connected, with a model that has a size."""
    server.models.append(model("sized", size_mb=145))
    await connect(page, server)


async def recording(page: Page, server: FakeServer) -> None:
    """Speech, what became of it, and messages of every level."""
    await connect(page, server)
    await start_recording(page, server, frames=1)
    server.say(final("สวัสดีครับ", speaker="Nok"), partial("วันนี้อากาศ", "วันนี้", utterance_id=2))
    for level in ("info", "warning", "error"):
        server.say_on(Port.CONTROL, Notice(level=level, code=level, message=f"The {level}"))
    server.say(ErrorEvent(code="decode_failed", message="lost", stream_id="a9.1", utterance_id=1))
    await expect(page.locator("#messages li")).to_have_count(4)
    await expect(page.locator(".partial")).to_have_count(1)


async def everything_open(page: Page, server: FakeServer) -> None:
    """All cards open and a line in edit."""
    await connect(page, server)
    await page.evaluate("document.querySelectorAll('details').forEach((card) => card.open = true)")
    server.say(final("สวัสดีครับ"))
    await page.locator("[data-act=edit]").press("Enter")


async def captions(page: Page, server: FakeServer) -> None:
    """Captions with settled and live text."""
    await connect(page, server)
    await page.locator("#captions-open").press("Enter")
    server.say(final("สวัสดีครับ"), partial("วันนี้อากาศ", "วันนี้", utterance_id=2))
    await expect(page.locator("#roll .now")).to_have_count(1)


async def downloading(page: Page, server: FakeServer) -> None:
    """A better model on its way, in an open card."""
    server.notices = ["whisper-base answers, and its Thai is poor, until x is being fetched"]
    await connect(page, server)
    progress = ModelProgress(
        model_id="x", phase=ModelPhase.DOWNLOADING, done_bytes=1, total_bytes=4, bytes_per_s=1e6
    )
    server.say_on(Port.CONTROL, progress)
    await expect(page.locator("#model-figures")).to_contain_text("25 %")
    await page.evaluate("document.getElementById('model-card').open = true")


Scene = Callable[["Page", FakeServer], Awaitable[None]]
SCENES: tuple[Scene, ...] = (
    nothing,
    connected,
    recording,
    everything_open,
    captions,
    downloading,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
async def test_axe_finds_nothing_serious(
    page: Page, server: FakeServer, scene: Scene, size: Any
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm --prefix tests/node install)")
    await page.set_viewport_size(size)
    await page.emulate_media(reduced_motion="reduce")
    await scene(page, server)
    await page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for language in ("en", "th"):
            await page.evaluate(f"document.querySelector('[data-language={language}]').click()")
            assert await page.evaluate(FINDINGS) == [], (scheme, language)


async def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the element of that id or label has the focus."""
    for _ in range(MOST_STOPS):
        await page.keyboard.press(key)
        if (await page.evaluate(FOCUS))["name"] == name:
            return
    raise AssertionError(f"{name} cannot be reached")


async def test_the_keyboard_goes_all_the_way(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url)
    await tab_to(page, "connect")
    await page.keyboard.press("Enter")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await tab_to(page, "model")
    await page.keyboard.press("ArrowUp")
    await tab_to(page, "load")
    await page.keyboard.press("Enter")
    await expect(page.locator("#model-result")).to_contain_text("biodatlab-faster is loaded")
    await tab_to(page, "record")
    await page.keyboard.press("Space")
    await expect(page.locator("#record")).to_have_text("Stop Recording")
    server.say(final("สวัสดีคับ"))
    await page.keyboard.press("Space")
    await expect(page.locator("#record")).to_have_text("Start Recording")
    await tab_to(page, "Edit: สวัสดีคับ", "Shift+Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("สวัสดีครับ")
    await page.keyboard.press("Enter")
    await tab_to(page, "TXT", "Shift+Tab")
    async with page.expect_download() as waiting:
        await page.keyboard.press("Enter")
    path = await (await waiting.value).path()
    assert path.read_text(encoding="utf-8") == "สวัสดีครับ\n"
    await tab_to(page, "search", "Shift+Tab")
    await page.keyboard.type("ลาก่อน")
    await expect(page.locator("#finals li:visible")).to_have_count(0)
    await tab_to(page, "captions-open", "Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#captions")).to_be_visible()
    await page.keyboard.press("Escape")
    assert (await page.evaluate(FOCUS))["name"] == "captions-open"


async def test_a_lost_button_gives_its_focus_to_a_neighbour(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    for number in range(4):
        server.say_on(Port.CONTROL, Notice(level="info", code=f"odd-{number}", message="?"))
    await expect(page.locator("#messages li")).to_have_count(4)
    dismiss = page.get_by_role("button", name="Dismiss this message")
    await dismiss.first.focus()
    for left in (3, 2, 1, 0):
        await page.keyboard.press("Enter")
        await expect(page.locator("#messages li")).to_have_count(left)
        assert not (await page.evaluate(FOCUS))["body"]


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
async def test_what_has_the_focus_is_seen(page: Page, server: FakeServer, size: Any) -> None:
    await page.set_viewport_size(size)
    await connect(page, server)
    await page.evaluate("document.querySelectorAll('details').forEach((card) => card.open = true)")
    server.say(*(final("คำ " * 40, utterance_id=number) for number in range(1, 8)))
    server.say_on(Port.CONTROL, Notice(level="warning", code="slow_processing", message="?"))
    await expect(page.locator("#messages li")).to_have_count(1)
    await expect(page.locator("#finals li")).to_have_count(7)
    await page.evaluate("document.activeElement.blur()")
    hidden, names = [], []
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        focus = await settled_focus(page)
        if focus["body"]:
            break
        names.append(focus["name"])
        if focus["hidden"]:
            hidden.append(focus["name"])
    assert hidden == []
    assert len(names) > 40
