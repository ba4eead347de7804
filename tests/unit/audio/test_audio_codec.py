"""The sample decoder: known vectors, torn frames, bad floats."""

from __future__ import annotations

import io

import numpy as np
import pytest

from audio.codec import G711_TABLES, SampleDecoder
from audio.types import AudioFormat, Encoding


def decoder(encoding: Encoding, channels: int = 1) -> SampleDecoder:
    return SampleDecoder(AudioFormat(encoding=encoding, channels=channels))


def test_pcm16_is_little_endian_and_scaled_to_one() -> None:
    samples = decoder(Encoding.PCM16).decode(b"\x00\x80\xff\x7f\x01\x00\x00\x40")
    assert samples.dtype == np.float32
    assert samples.tolist() == [[-1.0, 32767 / 32768, 1 / 32768, 0.5]]


def test_stereo_frames_become_rows() -> None:
    data = np.array([1, -1, 2, -2, 3, -3], dtype="<i2").tobytes()
    samples = decoder(Encoding.PCM16, channels=2).decode(data)
    assert (samples * 32768).tolist() == [[1, 2, 3], [-1, -2, -3]]
    assert samples.flags.c_contiguous


# ITU-T G.711 / G.191: code -> 16-bit value.
MULAW = {0x00: -32124, 0x0F: -16764, 0x1F: -8316, 0x7E: -8, 0x7F: 0, 0x80: 32124, 0xFE: 8, 0xFF: 0}
ALAW = {0x2A: -32256, 0xAA: 32256, 0x55: -8, 0xD5: 8, 0x54: -24, 0x80: 5504, 0x00: -5504}


@pytest.mark.parametrize(("encoding", "vectors"), [(Encoding.MULAW, MULAW), (Encoding.ALAW, ALAW)])
def test_g711_known_vectors(encoding: Encoding, vectors: dict[int, int]) -> None:
    samples = decoder(encoding).decode(bytes(vectors))
    assert (samples[0] * 32768).astype(int).tolist() == list(vectors.values())


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_g711_agrees_with_ffmpeg_on_every_code(encoding: Encoding) -> None:
    av = pytest.importorskip("av", reason="PyAV comes with faster-whisper")
    codes = bytes(range(256))
    with av.open(io.BytesIO(codes), format=encoding.value) as container:
        ffmpeg = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
    ours = decoder(encoding).decode(codes)[0] * 32768
    assert ours.astype(int).tolist() == ffmpeg.astype(int).tolist()


def test_g711_tables_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        G711_TABLES[Encoding.MULAW][0] = 1.0


def test_a_torn_frame_waits_for_its_rest() -> None:
    data = np.arange(-50, 50, dtype="<i2").tobytes()
    whole = decoder(Encoding.PCM16, channels=2).decode(data)
    torn = decoder(Encoding.PCM16, channels=2)
    pieces = [torn.decode(data[i : i + 3]) for i in range(0, len(data), 3)]
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)
    assert torn.remainder_bytes == 0
    assert torn.decode(b"\x01\x02\x03").shape == (2, 0)
    assert torn.remainder_bytes == 3
    torn.reset()
    assert torn.remainder_bytes == 0


def test_bad_floats_become_silence_and_are_counted() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0.25, 7.0, -7.0], dtype="<f4")
    floats = decoder(Encoding.FLOAT32)
    assert floats.decode(values.tobytes()).tolist() == [[0, 0, 0, 0.25, 1, -1]]
    assert floats.take_non_finite() == 3
    floats.decode(values[:1].tobytes())
    assert floats.take_non_finite() == 1
    assert floats.take_non_finite() == 0


def test_the_result_can_be_written_and_does_not_touch_the_bytes() -> None:
    data = np.array([0.5, 0.25], dtype="<f4").tobytes()
    samples = decoder(Encoding.FLOAT32).decode(data)
    samples[:] = 0
    assert np.frombuffer(data, "<f4").tolist() == [0.5, 0.25]
