from __future__ import annotations

from benchmarks.curve_points import Axis, MarginChoice, Point, Recommendation, Setting, Spread
from benchmarks.curve_report import advice, table
from server.arguments import read_settings

POINT = Point(
    setting=Setting(Axis.SPEED, 8, 2, 1, None, 5),
    utterances=16,
    repeats=3,
    cpu_s_per_speech_s=Spread(0.125, 0.120, 0.150),
    wall_s_per_utterance=Spread(0.25, 0.25, 0.25),
    decode_s=Spread(0.5, 0.4, 0.6),
    peak_rss_mb=412.3,
    cer=0.281,
    cer_difference=0.012,
    cer_interval=(-0.004, 0.03),
)


def test_a_line_says_what_a_point_cost() -> None:
    title, head, line = table([POINT]).strip().splitlines()
    assert "utterances: 16, repeats: 3" in title
    assert head.index("RSS MB") + len("RSS MB") == line.index("412") + len("412")
    assert line == (
        "    8       2       1   full    5  0.125 [0.120 .. 0.150]                   0.250"
        "       0.500     412  0.281  +1.2 (-0.4 to +3.0)"
    )


def test_the_command_is_one_that_the_server_takes() -> None:
    margins = (MarginChoice(1, 1_000, 0.3, 0.02), MarginChoice(5, 500, 0.3, None))
    text = advice("a-model", 1_500, Recommendation(2, 4, 1_000, margins, utterances=30))
    (command,) = [line.split() for line in text.splitlines() if "server.py" in line]
    settings = read_settings(command[2:], {})
    assert (settings.model, settings.num_workers, settings.batch_size) == ("a-model", 2, 4)
    assert "    context_margin_ms: 1000" in text.splitlines()
    assert "(it is 1500)" in text
    assert "beam 1: 1000 ms, +2.0 points to the full one" in text
    assert text.endswith("beam 5: 500 ms")


def test_nothing_is_advised_that_was_not_measured() -> None:
    text = advice("a-model", 1_500, Recommendation(None, None, None, ()))
    assert text.splitlines()[-1].endswith("--model a-model")
    assert "models.yaml" not in text


def test_a_model_for_the_full_window_is_told_so() -> None:
    margins = (MarginChoice(1, 30_000, 0.1, 0.0),)
    text = advice("a-model", 30_000, Recommendation(None, None, 30_000, margins, utterances=30))
    assert "    context_margin_ms: 30000" in text.splitlines()
    assert "(as it is)" in text
    assert "beam 1: full window" in text


def test_a_margin_by_few_utterances_is_a_hint() -> None:
    margins = (MarginChoice(1, 1_000, 0.3, 0.02),)
    text = advice("a-model", 1_500, Recommendation(2, 4, 1_000, margins, utterances=29))
    assert text.splitlines()[-1] == "  CAUTION: margins by 29 utterances are a hint only"


def test_a_margin_that_loses_much_is_not_advised_without_a_word() -> None:
    margins = (MarginChoice(1, 500, 0.3, 0.021), MarginChoice(5, 500, 0.3, 0.0))
    text = advice("a-model", 1_500, Recommendation(2, 4, 500, margins, utterances=38))
    assert "loses more than 2 points" in text.splitlines()[-1]
