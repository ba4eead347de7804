"""Models that the server fetches: how far, how it ends, and what a person can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from server import protocol
from server.messages import ErrorEvent, LoadFigures
from server.model_messages import ModelInfo, ModelLoaded, ModelPhase, ModelProgress
from server.peer import Port
from tests.browser.steps import connect
from tests.support.fake_server import FakeServer, model

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TURBO = "typhoon-turbo"
POLLED_MS = 15_000
"""The page asks for the status every 5 s."""

POOR = "whisper-base answers, and its Thai is poor"
COMING = f"{POOR}, until {TURBO} is here: it is being fetched (--offline never does)"
TOO_SLOW = (
    f"{POOR}: {TURBO} is too slow for this machine: 5 s of speech takes 9.2 s or more. It is on "
    "this machine now: whoever wants it all the same loads it"
)


def fetching(
    done_mb: float,
    phase: ModelPhase = ModelPhase.DOWNLOADING,
    *,
    bytes_per_s: float = 12.4e6,
    left_s: float = 90.7,
) -> ModelProgress:
    """A point in a fetch of 1.5 GB."""
    return ModelProgress(
        model_id=TURBO,
        phase=phase,
        done_bytes=int(done_mb * 1e6),
        total_bytes=1_500_000_000,
        bytes_per_s=bytes_per_s,
        left_s=left_s,
    )


async def test_a_download_shows_how_far_it_is(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    bar, words = page.locator("#model-progress"), page.locator("#model-result")
    figures = page.locator("#model-figures")
    await expect(bar).to_be_hidden()
    server.say_on(Port.CONTROL, fetching(375))
    await expect(words).to_have_text(f"Downloading {TURBO}")
    await expect(figures).to_have_text("25 %, 375 MB of 1.5 GB, 12 MB/s, 1:31 left")
    await expect(bar).to_have_attribute("value", "0.25")
    await expect(bar).to_have_attribute("aria-label", f"Downloading {TURBO}")
    await expect(bar).to_have_attribute("aria-valuetext", await figures.inner_text())
    server.say_on(Port.CONTROL, fetching(0.2, bytes_per_s=80_400, left_s=59.7))
    await expect(figures).to_have_text("0 %, 200 kB of 1.5 GB, 80 kB/s, 1:00 left")
    await page.click("[data-language=th]")
    await expect(words).to_have_text(f"กำลังดาวน์โหลด {TURBO}")
    await expect(figures).to_contain_text("เหลืออีก 1:00")


async def test_a_screen_reader_hears_of_a_phase_once(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, fetching(1))
    await expect(page.locator("#model-figures")).to_contain_text("1 MB")
    await page.evaluate(
        """() => {
          globalThis.spoken = [];
          new MutationObserver(() => spoken.push(document.getElementById('model-result').innerText))
            .observe(document.getElementById('model-result'), { childList: true, subtree: true });
        }"""
    )
    server.say_on(Port.CONTROL, *(fetching(done_mb) for done_mb in range(2, 40)))
    await expect(page.locator("#model-figures")).to_contain_text("39 MB")
    server.say_on(Port.CONTROL, fetching(40, ModelPhase.CONVERTING))
    await expect(page.locator("#model-figures")).to_contain_text("40 MB")
    assert await page.evaluate("spoken") == [f"Converting {TURBO}"]


async def test_the_button_says_how_much_will_be_downloaded(page: Page, server: FakeServer) -> None:
    server.models[1] = replace(server.models[1], size_mb=1_530)
    await connect(page, server)
    load = page.locator("#load")
    await expect(load).to_have_text("Load model")
    await page.select_option("#model", TURBO)
    await expect(load).to_have_text("Download (1.5 GB) and use")
    await page.click("[data-language=th]")
    await expect(load).to_have_text("ดาวน์โหลด (1.5 GB) แล้วใช้")
    await page.select_option("#model", "biodatlab-faster")
    await expect(load).to_have_text("โหลดโมเดล")


async def test_a_download_can_be_cancelled(page: Page, server: FakeServer) -> None:
    server.fetched = {TURBO}
    server.load_phases = [fetching(375)]
    await connect(page, server)
    await page.select_option("#model", TURBO)
    await page.click("#load")
    await expect(page.locator("#load")).to_be_disabled()
    await page.click("#model-cancel")
    await expect(page.locator("#model-result")).to_have_text(
        f"{TURBO}: download cancelled. What came is kept."
    )
    assert server.requests_of(protocol.CancelLoad)[0].model_id == TURBO  # type: ignore[attr-defined]
    await expect(page.locator("#model-job")).to_be_hidden()
    await expect(page.locator("#load")).to_be_enabled()
    await expect(page.locator("#messages li")).to_have_count(0)
    assert await page.evaluate("document.activeElement.id") == "model"


async def test_a_cancel_that_comes_too_late_is_told(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, fetching(1_499))
    await page.click("#model-cancel")
    await expect(page.locator("#messages li.info")).to_contain_text(
        "This download has ended already"
    )


async def test_a_page_opened_in_the_middle_shows_the_download(
    page: Page, server: FakeServer
) -> None:
    server.models[1] = replace(server.models[1], state="fetching")
    await connect(page, server)
    await expect(page.locator("#model-result")).to_have_text(f"Downloading {TURBO}")
    assert await page.get_attribute("#model-progress", "value") is None
    await expect(page.locator("#model-cancel")).to_be_visible()
    await expect(page.locator("#model option").nth(2)).to_contain_text("downloading")
    server.say_on(Port.CONTROL, fetching(750))
    await expect(page.locator("#model-figures")).to_contain_text("50 %")


async def test_another_model_can_be_loaded_meanwhile(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, fetching(375))
    await page.select_option("#model", TURBO)
    await expect(page.locator("#load")).to_be_disabled()
    await page.select_option("#model", "biodatlab-faster")
    await page.click("#load")
    await expect(page.locator("#facts")).to_contain_text("biodatlab-faster")
    await expect(page.locator("#model-figures")).to_contain_text("25 %")


async def test_a_viewer_sees_the_download_and_cannot_cancel_it(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server, "?role=viewer")
    server.say_on(Port.CONTROL, fetching(375))
    await expect(page.locator("#model-figures")).to_contain_text("25 %")
    await expect(page.locator("#model-cancel")).to_be_hidden()


async def test_only_files_on_their_way_can_be_cancelled(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    for phase, shown in (
        (ModelPhase.CONVERTING, True),
        (ModelPhase.LOADING, False),
        (ModelPhase.DOWNLOADING, True),
        (ModelPhase.MEASURING, False),
    ):
        server.say_on(Port.CONTROL, fetching(1, phase))
        await expect(page.locator("#model-cancel")).to_be_visible(visible=shown)


async def test_files_that_came_for_later_are_told(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, fetching(1_500))
    await expect(page.locator("#model-job")).to_be_visible()
    asked = len(server.requests_of(protocol.GetModels))
    server.say_on(Port.CONTROL, ModelProgress(model_id=TURBO, phase=ModelPhase.ON_DISK))
    await expect(page.locator("#model-result")).to_have_text(
        f"{TURBO} is on the server's disk now."
    )
    await server.until(lambda: len(server.requests_of(protocol.GetModels)) > asked)


@pytest.mark.parametrize(
    ("code", "advice", "thai"),
    [
        ("no_network", "HTTPS_PROXY", "พร็อกซี"),
        ("hub_unavailable", "try again", "ลองใหม่"),
        ("gated_model", "HF_TOKEN", "ยอมรับเงื่อนไข"),
        ("model_not_found", "models.yaml", "models.yaml"),
        ("checksum_mismatch", "try again", "ลองใหม่"),
        ("disk_full", "room on its disk", "ที่ว่าง"),
        ("cache_failed", "may write there", "เขียนได้"),
        ("unsafe_format", "Choose another model", "เลือกโมเดลอื่น"),
        ("offline", "without --offline", "โดยไม่มี --offline"),
        ("needs_convert_packages", f"--convert {TURBO}", f"--convert {TURBO}"),
        ("conversion_failed", "proxy (HTTPS_PROXY) and log", "ล็อก"),
        ("conversion_timeout", "a smaller one", "โมเดลเล็ก"),
        ("out_of_memory", "a smaller one", "โมเดลเล็ก"),
        ("too_slow", "a smaller one", "โมเดลเล็ก"),
        ("model_misfit", "Remove its files", "ลบไฟล์"),
    ],
)
async def test_a_fetch_that_fails_says_what_to_do(
    page: Page, server: FakeServer, code: str, advice: str, thai: str
) -> None:
    message = f"Failed to load model {TURBO}: the server's own words"
    server.load_errors[TURBO] = ErrorEvent(code=code, message=message)
    await connect(page, server)
    await page.select_option("#model", TURBO)
    await page.click("#load")
    told = page.locator("#messages li.error")
    await expect(told).to_contain_text(f"Error: {message}")
    await expect(told).to_contain_text(advice)
    await page.click("[data-language=th]")
    await expect(told).to_contain_text("โหลดโมเดลไม่สำเร็จ")
    await expect(told).to_contain_text(message)
    await expect(told).to_contain_text(thai)


async def test_an_error_goes_when_a_model_comes(page: Page, server: FakeServer) -> None:
    server.load_errors[TURBO] = ErrorEvent(code="no_network", message="no line")
    await connect(page, server)
    await page.select_option("#model", TURBO)
    await page.click("#load")
    await expect(page.locator("#messages li.error")).to_contain_text("no line")
    server.load_errors.clear()
    await page.click("#load")
    await expect(page.locator("#model-result")).to_contain_text("answers from now on")
    await expect(page.locator("#messages li")).to_have_count(0)


async def test_a_newer_wish_is_no_error(page: Page, server: FakeServer) -> None:
    message = f"{TURBO} was not loaded: another model was asked for"
    server.load_errors[TURBO] = ErrorEvent(code="superseded", message=message)
    await connect(page, server)
    await page.select_option("#model", TURBO)
    await page.click("#load")
    await expect(page.locator("#messages li.info")).to_contain_text(message)
    await expect(page.locator("#messages li.error")).to_have_count(0)


async def test_what_was_measured_here_and_the_terms_are_shown(
    page: Page, server: FakeServer
) -> None:
    class WithTerms(ModelInfo, frozen=True, kw_only=True):
        terms: str

    figures = LoadFigures(load_s=6.12, warm_up_s=0.84, memory_mb=1_240, rtf=0.25)
    entry = replace(model(TURBO, recommended=True, state="on_disk"), load_figures=figures)
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    server.models[1] = WithTerms(**fields | {"terms": "Not for sale"})
    await connect(page, server)
    await page.select_option("#model", TURBO)
    await expect(page.locator("#model-facts")).to_have_text(
        "Measured on this machine: 1.2 GB, 4.0× real time, loads in 6.1 s, first decode 0.8 s"
        " · MIT · Not for sale"
    )


async def test_the_better_model_comes_by_itself(page: Page, server: FakeServer) -> None:
    server.notices = [COMING]
    server.models[1] = replace(server.models[1], state="fetching")
    await connect(page, server)
    told = page.locator("#messages li.info")
    await expect(told).to_contain_text("A better one is on its way")
    server.say_on(Port.CONTROL, fetching(1_499))
    await expect(page.locator("#model-figures")).to_contain_text("99 %")
    server.notices = []
    server.current_model = TURBO
    server.models[1] = replace(server.models[1], state="ready")
    server.say_on(Port.CONTROL, ModelLoaded(model_id=TURBO))
    await expect(page.locator("#model-result")).to_have_text(
        f"{TURBO} is loaded and answers from now on."
    )
    await expect(page.locator("#facts")).to_contain_text(TURBO)
    await expect(page.locator("#model")).to_have_value(TURBO)
    await expect(told).to_have_count(0)


async def test_a_better_model_that_is_too_slow_is_explained(page: Page, server: FakeServer) -> None:
    server.notices = [TOO_SLOW]
    await connect(page, server)
    told = page.locator("#messages li.warning")
    await expect(told).to_contain_text("A small model answers; its Thai is poor")
    await expect(told).to_contain_text("5 s of speech takes 9.2 s or more")
    await page.click("[data-language=th]")
    await expect(told).to_contain_text("ใช้โมเดลเล็กอยู่")


async def test_a_failure_told_as_an_error_is_not_told_twice(page: Page, server: FakeServer) -> None:
    reason = f"Failed to load model {TURBO}: no line to the hub"
    await connect(page, server)
    server.say_on(Port.CONTROL, ErrorEvent(code="no_network", message=reason))
    await expect(page.locator("#messages li.error")).to_contain_text("HTTPS_PROXY")
    server.notices = [f"{POOR}: {reason} (tried again every 60 s)"]
    told = page.locator("#messages li.warning")
    await expect(told).to_have_count(1, timeout=POLLED_MS)
    await expect(told).to_contain_text("its Thai is poor")
    await expect(told).not_to_contain_text(reason)


async def test_one_model_may_fail_while_another_comes(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, fetching(375))
    failed = ModelProgress(model_id="far", phase=ModelPhase.FAILED, message="no room")
    server.say_on(Port.CONTROL, failed)
    await expect(page.locator("#model-result")).to_have_text(
        f"far was not loaded; the model in use goes on. no room Downloading {TURBO}"
    )
    await expect(page.locator("#model-figures")).to_contain_text("25 %")
