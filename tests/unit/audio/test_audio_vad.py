"""Voice detectors: agreement with faster-whisper, state, failures."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from audio.types import WINDOW_SAMPLES, AudioError
from audio.vad import EnergyDetector, Probabilities, SileroDetector, SileroModel, Windows
from tests.support.audio_signals import noise, read_wav, silence, synthetic_speech


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def in_windows(samples: npt.NDArray[np.float32]) -> Windows:
    count = len(samples) // WINDOW_SAMPLES
    return samples[: count * WINDOW_SAMPLES].reshape(count, WINDOW_SAMPLES)


def one_by_one(model: SileroModel, windows: Windows) -> Probabilities:
    detector = SileroDetector(model)
    return np.array([detector.probability(window) for window in windows], np.float32)


def test_streaming_agrees_with_faster_whisper(model: SileroModel, thai_eval_dir: Path) -> None:
    from faster_whisper.vad import get_vad_model

    windows = in_windows(read_wav(thai_eval_dir / "dev" / "gc_ballcatch.wav"))
    offline = get_vad_model()(windows.ravel().copy())
    ours = one_by_one(model, windows)
    # The last window is left out: faster-whisper zeroes its last 64 samples.
    assert np.array_equal(ours[:-1], offline[:-1])
    assert ours.max() > 0.9


def test_a_sequence_equals_single_windows(model: SileroModel) -> None:
    windows = in_windows(np.concatenate((silence(0.3), synthetic_speech(1.0), noise(0.5, 0.01))))
    detector = SileroDetector(model)
    parts = [detector.probabilities(windows[:5]), detector.probabilities(windows[5:])]
    assert np.array_equal(np.concatenate(parts), one_by_one(model, windows))


def test_it_tells_speech_from_silence(model: SileroModel) -> None:
    assert one_by_one(model, in_windows(synthetic_speech(2.0)))[2:].mean() > 0.7
    assert one_by_one(model, in_windows(silence(1.0))).max() < 0.1


def test_streams_share_weights_but_no_state(model: SileroModel) -> None:
    speech, quiet = in_windows(synthetic_speech(1.0)), in_windows(noise(1.0, 0.001))
    one, other = SileroDetector(model), SileroDetector(model)
    mixed = [(one.probability(a), other.probability(b)) for a, b in zip(speech, quiet, strict=True)]
    assert np.array_equal([a for a, _ in mixed], one_by_one(model, speech))
    assert np.array_equal([b for _, b in mixed], one_by_one(model, quiet))


def test_reset_forgets(model: SileroModel) -> None:
    windows = in_windows(synthetic_speech(1.0))
    detector = SileroDetector(model)
    first = detector.probabilities(windows[:10])
    assert not np.array_equal(detector.probabilities(windows[:10]), first)
    detector.reset()
    assert np.array_equal(detector.probabilities(windows[:10]), first)


def test_one_model_serves_many_threads(model: SileroModel) -> None:
    windows = in_windows(synthetic_speech(1.0))
    expected = one_by_one(model, windows)
    found: list[Probabilities] = []
    threads = [
        threading.Thread(target=lambda: found.append(one_by_one(model, windows))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(entry, expected) for entry in found)


class FailingSession:
    """Stands in for onnxruntime's session: raises, or answers nonsense."""

    def __init__(self, answer: Exception | float) -> None:
        self._answer = answer

    def run(self, _outputs: None, feed: dict[str, Probabilities]) -> list[Probabilities]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return [np.array([self._answer], np.float32), feed["h"], feed["c"]]


class FailingModel(SileroModel):
    """A model that fails once it is loaded."""

    def __init__(self, answer: Exception | float) -> None:
        super().__init__()
        self._session = FailingSession(answer)


@pytest.mark.parametrize("answer", [RuntimeError("no"), float("nan")])
def test_a_failing_model_is_an_error_not_silence(answer: Exception | float) -> None:
    detector = SileroDetector(FailingModel(answer))
    with pytest.raises(AudioError) as caught:
        detector.probability(np.zeros(WINDOW_SAMPLES, np.float32))
    assert caught.value.code == "vad_failed"


def test_a_missing_or_foreign_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot load"):
        SileroModel(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(AudioError, match="cannot load"):
        SileroModel(tmp_path / "bad.onnx")


def test_the_slow_import_is_avoided() -> None:
    code = "import sys, audio.vad; audio.vad.SileroModel(); print('faster_whisper' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_energy_is_rms_against_the_threshold() -> None:
    detector = EnergyDetector(0.02)
    windows = np.stack([np.full(WINDOW_SAMPLES, level, np.float32) for level in (0, 0.019, 0.021)])
    assert detector.probabilities(windows).tolist() == [0, 0, 1]
    assert detector.probability(-windows[2]) == 1.0
