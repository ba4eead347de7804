"""Models on the page: the server's list, how far a load is, and how the server is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from server import protocol
from server.messages import ErrorEvent
from server.model_messages import ModelLoaded, ModelPhase, ModelProgress, Score
from server.peer import Port
from tests.browser.steps import connect
from tests.support.fake_server import FakeServer, model

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SCORES = (
    Score(metric="WER (newmm)", value=7.42, test_set="Common Voice 11", source="its authors"),
    Score(metric="CER", value=5.5, test_set="FLEURS", source="its authors"),
)


def progress(model_id: str, phase: ModelPhase, done_mb: float = 0, **more: float) -> ModelProgress:
    """A phase of a load of 1.5 GB."""
    if phase is not ModelPhase.DOWNLOADING:
        return ModelProgress(model_id=model_id, phase=phase)
    return ModelProgress(
        model_id=model_id,
        phase=phase,
        done_bytes=int(done_mb * 1e6),
        total_bytes=1_500_000_000,
        bytes_per_s=more["bytes_per_s"],
        left_s=more["left_s"],
    )


async def test_size_and_error_rate_are_listed(page: Page, server: FakeServer) -> None:
    server.models = [
        model("whisper-base", state="ready"),
        replace(model("big", size_mb=3_055, scores=SCORES), vram_mb=4_700),
        model("good", recommended=True, state="on_disk", size_mb=492, scores=SCORES[1:]),
        model("coming", state="loading"),
    ]
    await connect(page, server)
    assert await page.locator("#model option").all_text_contents() == [
        "⭐ good · balanced · on disk · 492 MB · CER 5.5",
        "whisper-base · balanced · in use",
        "big · balanced · not on disk · 3.1 GB · WER 7.42",
        "coming · balanced · loading",
    ]
    await page.select_option("#model", "big")
    await expect(page.locator("#model-facts")).to_have_text(
        "Size: 3.1 GB · GPU memory about 4.7 GB · Published error rate: "
        "WER (newmm) 7.42 % (Common Voice 11), CER 5.5 % (FLEURS) · MIT"
    )
    await expect(page.locator("#model-about")).to_have_text("Name of big. A model for Thai")
    await page.click("[data-language=th]")
    await expect(page.locator("#model-facts")).to_contain_text("ขนาด: 3.1 GB")
    await expect(page.locator("#model option").nth(2)).to_contain_text("ยังไม่มีในเซิร์ฟเวอร์")
    await expect(page.locator("#model")).to_have_value("big")


async def test_the_choice_outlives_a_new_list(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await page.select_option("#model", "typhoon-turbo")
    server.say_on(Port.CONTROL, ModelLoaded(model_id="biodatlab-faster"))
    server.current_model = "biodatlab-faster"
    await server.until(lambda: len(server.requests_of(protocol.GetModels)) >= 2)
    await expect(page.locator("#facts")).to_contain_text("biodatlab-faster")
    await expect(page.locator("#model")).to_have_value("typhoon-turbo")


async def test_a_load_goes_through_its_phases(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    bar, words = page.locator("#model-progress"), page.locator("#model-result")
    said = ("Converting big", "Loading big …", "Trying out big on this machine …")
    phases = (ModelPhase.CONVERTING, ModelPhase.LOADING, ModelPhase.MEASURING)
    for phase, expected in zip(phases, said, strict=True):
        server.say_on(Port.CONTROL, progress("big", phase))
        await expect(words).to_have_text(expected)
        await expect(bar).to_be_visible()
        assert await bar.get_attribute("value") is None
    server.say_on(Port.CONTROL, ModelLoaded(model_id="big"))
    await expect(words).to_have_text("big is loaded and answers from now on.")
    await expect(bar).to_be_hidden()


async def test_a_failure_ends_the_bar_and_is_explained(page: Page, server: FakeServer) -> None:
    message = "Failed to load model typhoon-turbo"
    server.load_errors["typhoon-turbo"] = ErrorEvent(code="model_load_failed", message=message)
    server.load_phases = [
        progress("typhoon-turbo", ModelPhase.LOADING),
        ModelProgress(model_id="typhoon-turbo", phase=ModelPhase.FAILED, message=message),
    ]
    await connect(page, server)
    await page.select_option("#model", "typhoon-turbo")
    await page.click("#load")
    await expect(page.locator("#model-result")).to_contain_text("was not loaded")
    await expect(page.locator("#messages li.error")).to_contain_text(message)
    await expect(page.locator("#model-progress")).to_be_hidden()
    await expect(page.locator("#load")).to_be_enabled()


async def test_a_load_that_another_window_asked_for_may_fail_too(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await page.select_option("#model", "typhoon-turbo")
    server.say_on(Port.CONTROL, progress("typhoon-turbo", ModelPhase.LOADING))
    await expect(page.locator("#load")).to_be_disabled()
    failed = ModelProgress(model_id="typhoon-turbo", phase=ModelPhase.FAILED, message="no room")
    server.say_on(Port.CONTROL, failed)
    await expect(page.locator("#model-result")).to_contain_text("typhoon-turbo was not loaded")
    await expect(page.locator("#model-progress")).to_be_hidden()
    await expect(page.locator("#load")).to_be_enabled()


async def test_a_lost_connection_forgets_the_load(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, progress("typhoon-turbo", ModelPhase.LOADING))
    await expect(page.locator("#model-progress")).to_be_visible()
    await server.hang_up(Port.CONTROL)
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await expect(page.locator("#model-progress")).to_be_hidden()


async def test_the_server_says_how_it_is_doing(page: Page, server: FakeServer) -> None:
    server.load, server.final_latency_ms = 0.427, 1_260
    await connect(page, server)
    facts = page.locator("#facts")
    for words in ("Load43 %", "Text comes after1.3 s", "cpu (int8)"):
        await expect(facts).to_contain_text(words)
    await page.click("[data-language=th]")
    await expect(facts).to_contain_text("ภาระงาน43 %")


async def test_an_unknown_latency_is_left_out(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await expect(page.locator("#facts")).to_contain_text("Load0 %")
    await expect(page.locator("#facts")).not_to_contain_text("Text comes after")
