from __future__ import annotations

import numpy as np
import pytest

from client.level import SILENCE_DB, level_db
from tests.support.audio_signals import pcm16, tone


def test_a_sine_of_half_scale_is_9_db_below_full() -> None:
    assert level_db(pcm16(tone(440, 1.0, level=0.5))) == pytest.approx(-9.03, abs=0.1)


def test_silence_and_nothing_are_the_least() -> None:
    assert level_db(bytes(2048)) == level_db(b"") == SILENCE_DB
    assert level_db(np.full(100, -32768, "<i2").tobytes()) == pytest.approx(0.0, abs=0.01)
