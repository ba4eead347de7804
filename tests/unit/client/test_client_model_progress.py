from __future__ import annotations

import io

import pytest

from client.model_progress import LINE_EVERY_S, ProgressLines, figures, share
from client.view import PlainView
from server.model_messages import ModelPhase, ModelProgress

DOWNLOADING = ModelPhase.DOWNLOADING


def at(done_mb: float, phase: ModelPhase = DOWNLOADING) -> ModelProgress:
    return ModelProgress(
        model_id="big",
        phase=phase,
        done_bytes=round(done_mb * 1e6),
        total_bytes=1_500_000_000,
        bytes_per_s=12_400_000.0,
        left_s=90.6,
    )


def only(phase: ModelPhase) -> ModelProgress:
    return ModelProgress(model_id="big", phase=phase)


def test_figures_say_what_is_known() -> None:
    assert figures(at(375)) == ["375 of 1500 MB", "12.4 MB/s", "1:31 left"]
    assert figures(only(DOWNLOADING)) == []
    assert share(at(375)) == pytest.approx(0.25)
    assert share(only(DOWNLOADING)) is None


@pytest.mark.parametrize(("done", "total"), [(0, 0), (3, 2)])
def test_a_share_is_never_more_than_all(done: int, total: int) -> None:
    event = ModelProgress(model_id="big", phase=DOWNLOADING, done_bytes=done, total_bytes=total)
    assert share(event) in (None, 1.0)


def test_a_line_comes_at_the_start_every_ten_seconds_and_at_the_end() -> None:
    lines = ProgressLines()
    told = [(0.0, only(DOWNLOADING)), (0.0, at(0))]
    told += [(float(second), at(40 * second)) for second in range(1, 29)]
    told += [(29.0, only(ModelPhase.ON_DISK)), (29.0, only(ModelPhase.LOADING))]
    said = [line for now_s, event in told if (line := lines.line(event, now_s)) is not None]
    assert said == [
        "big: downloading",
        "big: downloading, 0%, 0 of 1500 MB, 12.4 MB/s, 1:31 left",
        "big: downloading, 27%, 400 of 1500 MB, 12.4 MB/s, 1:31 left",
        "big: downloading, 53%, 800 of 1500 MB, 12.4 MB/s, 1:31 left",
        "big: on the server's disk now",
        "big: loading",
    ]
    assert LINE_EVERY_S == 10.0


def test_a_failure_is_told_by_its_error_alone() -> None:
    assert ProgressLines().line(only(ModelPhase.FAILED), 0.0) is None


def test_plain_lines_of_progress_go_to_standard_error() -> None:
    out, err = io.StringIO(), io.StringIO()
    view = PlainView(out, err, clock=lambda: 5.0)
    view.model_progress(at(375))
    view.model_progress(at(376))
    assert out.getvalue() == ""
    assert err.getvalue() == "big: downloading, 25%, 375 of 1500 MB, 12.4 MB/s, 1:31 left\n"
