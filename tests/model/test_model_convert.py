"""Real conversions with torch, in the environment that `--convert` makes."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from asr.convert import Converter
from asr.convert_packages import SIDE_VENV, find_convert_python
from asr.ct2_engine import Ct2Engine
from asr.embedded_model import ensure_embedded_model
from asr.engine import EngineError
from asr.locate import check_model_dir
from asr.transfer import Transfer
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, ModelFormat, ModelSpec
from audio.types import Samples
from benchmarks.dataset import load_clips
from tests.support.audio_signals import silence
from tests.support.children import python_children
from tests.support.transformers_whisper import back_to_transformers, random_whisper, read_ct2

pytestmark = [pytest.mark.convert, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SPEC = ModelSpec("m", "M", "", "owner/name", ModelFormat.TRANSFORMERS, "fast")
CLIPS = 8


@pytest.fixture(scope="module")
def python() -> Path:
    found = find_convert_python(ROOT)
    if found is None:
        pytest.skip(f"no torch and transformers in {SIDE_VENV} (bash run_tests.sh --convert)")
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_embedded_model(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def base(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base as the transformers library writes it."""
    return back_to_transformers(original, tmp_path_factory.mktemp("base"))


@pytest.fixture
def tiny(original: Path, tmp_path: Path) -> Path:
    return random_whisper(tmp_path / "tiny", original / "tokenizer.json")


@pytest.fixture
def convert(python: Path, tmp_path: Path) -> Callable[..., Path]:
    def convert(source: Path, compute_type: str = "int8", **bounds: Any) -> Path:
        converter = Converter(
            cache_dir=tmp_path / "converted-here",
            compute_type=compute_type,
            python=python,
            **bounds,
        )
        return converter.convert(SPEC, source, lambda _: None, threading.Event())

    return convert


def engine_of(folder: Path) -> Ct2Engine:
    return Ct2Engine(
        folder,
        SPEC,
        device="cpu",
        compute_type="int8",
        workers=1,
        threads_per_worker=1,
        max_batch=1,
    )


def text_of(engine: Ct2Engine, audio: Samples) -> str:
    request = DecodeRequest(
        request_id=1,
        stream_id="s",
        epoch=0,
        utterance_id=1,
        revision=1,
        kind=DecodeKind.FINAL,
        audio=audio,
        options=DecodeOptions(),
        model_id=SPEC.id,
        created_s=0.0,
        deadline_s=0.0,
    )
    return engine.decode([engine.prepare(request)])[0].text


@pytest.mark.parametrize("compute_type", ["int8", "float32"])
def test_a_converted_model_is_complete_and_loads(
    tiny: Path, original: Path, convert: Callable[..., Path], compute_type: str
) -> None:
    folder = convert(tiny, compute_type)
    check_model_dir(folder)
    vocabularies = [
        json.loads((each / "vocabulary.json").read_text(encoding="utf-8"))
        for each in (folder, original)
    ]
    assert vocabularies[0] == vocabularies[1]
    engine = engine_of(folder)
    text_of(engine, silence(1.0))
    engine.close()


def test_weights_come_through_conversion_as_they_were(
    base: Path, original: Path, convert: Callable[..., Path]
) -> None:
    folder = convert(base, "float16")
    assert (folder / "model.bin").read_bytes() == (original / "model.bin").read_bytes()
    for name in ("config.json", "vocabulary.json", "tokenizer.json"):
        theirs = json.loads((original / name).read_text(encoding="utf-8"))
        assert json.loads((folder / name).read_text(encoding="utf-8")) == theirs


def test_a_quantised_conversion_writes_the_same_thai(
    base: Path, original: Path, convert: Callable[..., Path], thai_eval_dir: Path
) -> None:
    clips = load_clips(thai_eval_dir / "dev.jsonl")[:CLIPS]
    sounds = [clip.samples().astype(np.float32) / np.float32(32_768) for clip in clips]
    texts = []
    for folder in (original, convert(base, "int8")):
        engine = engine_of(folder)
        texts.append([text_of(engine, sound) for sound in sounds])
        engine.close()
    assert all(texts[0])
    assert texts[1] == texts[0]


def test_quantising_what_was_quantised_changes_nothing(
    base: Path, convert: Callable[..., Path], tmp_path: Path
) -> None:
    once = convert(base, "int8")
    again = convert(back_to_transformers(once, tmp_path / "back"), "int8")
    first, second = read_ct2(once / "model.bin"), read_ct2(again / "model.bin")
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=1e-6, atol=1e-7, err_msg=name)


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, sprung: Path) -> None:
        self._sprung = sprung

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._sprung),)


def test_neither_pickles_nor_code_of_the_model_are_run(
    tiny: Path, convert: Callable[..., Path], tmp_path: Path
) -> None:
    sprung = tmp_path / "sprung"
    for name in ("pytorch_model.bin", "training_args.bin", "model.pkl"):
        (tiny / name).write_bytes(pickle.dumps(Trap(sprung)))
    code = f"import os\nos.mkdir({str(sprung)!r})\n"
    (tiny / "odd.py").write_text(code)
    for name, keys in (
        ("config.json", ("AutoConfig", "AutoModelForSpeechSeq2Seq")),
        ("tokenizer_config.json", ("AutoTokenizer",)),
    ):
        config = json.loads((tiny / name).read_text(encoding="utf-8"))
        config["auto_map"] = dict.fromkeys(keys, "odd.Odd")
        (tiny / name).write_text(json.dumps(config), encoding="utf-8")
    check_model_dir(convert(tiny))
    assert not sprung.exists()
    pickle.loads((tiny / "model.pkl").read_bytes())  # the trap works
    assert sprung.is_dir()


def test_only_pickled_weights_are_refused(tiny: Path, convert: Callable[..., Path]) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    with pytest.raises(EngineError) as caught:
        convert(tiny)
    assert caught.value.code == "unsafe_format"


def test_a_tokenizer_of_another_model_is_refused(tiny: Path, convert: Callable[..., Path]) -> None:
    path = tiny / "added_tokens.json"
    added = json.loads(path.read_text(encoding="utf-8"))
    added["<|yue|>"] = max(added.values()) + 1
    path.write_text(json.dumps(added), encoding="utf-8")
    with pytest.raises(EngineError, match="tokens and the weights have 51865") as caught:
        convert(tiny)
    assert caught.value.code == "model_misfit"


def test_weights_that_lack_a_tensor_are_not_filled_up(
    tiny: Path, convert: Callable[..., Path]
) -> None:
    path = tiny / "model.safetensors"
    data = path.read_bytes()
    name = b"model.decoder.layers.1.fc1.weight"
    path.write_bytes(data.replace(name, name.replace(b"fc1", b"fcX")))
    with pytest.raises(EngineError, match="lack 1 tensors") as caught:
        convert(tiny)
    assert caught.value.code == "model_misfit"


def test_the_memory_bound_holds(base: Path, convert: Callable[..., Path]) -> None:
    with pytest.raises(EngineError, match="more than the 60 MB") as caught:
        convert(base, memory_limit_mb=60)
    assert caught.value.code == "out_of_memory"
    assert python_children() == []


def test_it_takes_one_core_at_a_low_priority(base: Path, python: Path, tmp_path: Path) -> None:
    used_s, nicenesses = [(0.0, 0.0)], set()
    begun_s = time.monotonic()

    def look(_: Transfer) -> None:
        for child in python_children():
            with contextlib.suppress(psutil.Error):
                times = child.cpu_times()
                used_s.append((time.monotonic() - begun_s, times.user + times.system))
                nicenesses.add(child.nice())

    converter = Converter(cache_dir=tmp_path / "cache", compute_type="int8", python=python)
    converter.convert(SPEC, base, look, threading.Event())
    wall_s, cpu_s = max(used_s)
    assert 0 < cpu_s < 1.2 * wall_s
    assert nicenesses == {10}


def test_a_process_that_is_killed_leaves_no_child_and_nothing_in_the_way(
    base: Path, python: Path, convert: Callable[..., Path], tmp_path: Path
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, threading\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from asr.convert import Converter\n"
        "from tests.model.test_model_convert import SPEC\n"
        f"made = Converter(cache_dir=Path({str(tmp_path / 'converted-here')!r}),\n"
        f"    compute_type='int8', python=Path({str(python)!r}))\n"
        "tell = lambda transfer: transfer.done_bytes and print('loaded', flush=True)\n"
        f"made.convert(SPEC, Path({str(base)!r}), tell, threading.Event())\n",
        encoding="utf-8",
    )
    with psutil.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"loaded\n"
        orphans = parent.children(recursive=True)
        parent.kill()
    assert orphans
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert not alive
    check_model_dir(convert(base))
    left = [path.name for path in (tmp_path / "converted-here" / "converted").iterdir()]
    assert len([name for name in left if not name.endswith(".lock")]) == 1


def test_a_cancelled_conversion_leaves_nothing(base: Path, python: Path, tmp_path: Path) -> None:
    converter = Converter(cache_dir=tmp_path / "cache", compute_type="int8", python=python)
    cancelled = threading.Event()

    def cancel_once_loaded(transfer: Transfer) -> None:
        if transfer.done_bytes:
            cancelled.set()

    with pytest.raises(EngineError) as caught:
        converter.convert(SPEC, base, cancel_once_loaded, cancelled)
    assert caught.value.code == "cancelled"
    assert python_children() == []
    left = [path.name for path in (tmp_path / "cache" / "converted").iterdir()]
    assert all(name.endswith(".lock") for name in left)
    assert converter.find(SPEC, base) is None
