from __future__ import annotations

import math

import pytest

from asr.degenerate import is_degenerate, next_compute_type
from tests.support.failing_engine import heard


@pytest.mark.parametrize("text", ["!!!!", "!!!!!!!!!!!!!!!!!!", "! ! ! !", " !!!! "])
def test_marks_alone_are_broken_output_in_half_precision(text: str) -> None:
    assert is_degenerate(heard(text), "float16")
    assert is_degenerate(heard(text), "int8_float16")
    assert not is_degenerate(heard(text), "float32")


@pytest.mark.parametrize("text", ["", "!", "!!", "หยุด!!!!", "ไป!"])
def test_what_people_may_say_is_not(text: str) -> None:
    assert not is_degenerate(heard(text), "float16")


@pytest.mark.parametrize("logprob", [math.nan, -math.inf, math.inf])
def test_a_probability_that_is_none_is_broken_in_every_type(logprob: float) -> None:
    assert is_degenerate(heard("สวัสดี", logprob), "float32")


@pytest.mark.parametrize(
    ("current", "supported", "following"),
    [
        ("float16", {"float16", "bfloat16", "float32"}, "bfloat16"),
        ("float16", {"float16", "float32"}, "float32"),
        ("float16", {"float16", "int8_float32"}, "int8_float32"),
        ("int8_float16", {"int8_float16", "int8_float32", "float32"}, "int8_float32"),
        ("bfloat16", {"bfloat16", "float32"}, "float32"),
        ("float32", {"float32", "bfloat16"}, None),
        ("int8", {"int8", "float32"}, None),
    ],
)
def test_the_next_type_has_the_wider_range(
    current: str, supported: set[str], following: str | None
) -> None:
    assert next_compute_type(current, supported) == following
