"""Conversions: kept, found, bounded, and never half made. A script stands in for torch."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from asr.convert import BYTES_OF, Converter, default_memory_mb, quantization_of, source_key
from asr.engine import EngineError
from asr.locate import check_model_dir
from asr.transfer import Transfer
from asr.types import ModelFormat, ModelSpec
from tests.support.children import python_children
from tests.support.model_folders import TOKENS, ct2_folder, transformers_folder

SPEC = ModelSpec("m", "M", "", "owner/name", ModelFormat.TRANSFORMERS, "fast")
COMMIT = "0123456789" * 4

COPIES = """\
import json, pathlib, shutil, sys
request = json.loads(sys.argv[1])
here = pathlib.Path(__file__).parent
with (here / "requests").open("a") as file:
    file.write(json.dumps(request) + "\\n")
print('{"phase": "loading"}', flush=True)
print('{"phase": "quantizing"}', flush=True)
shutil.copytree(here / "made", request["target"])
print('{"phase": "written"}', flush=True)
"""
WAITS = """\
import json, pathlib, sys, time
request = json.loads(sys.argv[1])
pathlib.Path(request["target"]).mkdir()
(pathlib.Path(request["target"]) / "model.bin").write_bytes(b"half")
print('{"phase": "quantizing"}', flush=True)
time.sleep(600)
"""


@dataclass(frozen=True)
class Bench:
    """A source, and a script that "converts" it by copying a folder."""

    folder: Path
    source: Path

    @property
    def cache_dir(self) -> Path:
        return self.folder / "cache"

    def converter(self, script: str = COPIES, **options: Any) -> Converter:
        child = self.folder / "child.py"
        child.write_text(script, encoding="utf-8")
        given: dict[str, Any] = {
            "compute_type": "int8",
            "python": Path(sys.executable),
            "child": child,
        } | options
        return Converter(cache_dir=self.cache_dir, **given)

    def convert(self, script: str = COPIES, **options: Any) -> Path:
        return self.converter(script, **options).convert(
            SPEC, self.source, lambda _: None, threading.Event()
        )

    def refusal(self, script: str = COPIES, **options: Any) -> EngineError:
        with pytest.raises(EngineError) as caught:
            self.convert(script, **options)
        assert self.left() == []
        return caught.value

    def requests(self) -> int:
        path = self.folder / "requests"
        return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0

    def left(self) -> list[str]:
        """What lies among the conversions beside locks."""
        place = self.cache_dir / "converted"
        names = [path.name for path in place.iterdir()] if place.exists() else []
        return sorted(name for name in names if not name.endswith(".lock"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    ct2_folder(tmp_path / "made", complete=False)
    (tmp_path / "made" / "tokenizer.json").write_bytes(
        (ct2_folder(tmp_path / "whole") / "tokenizer.json").read_bytes()
    )
    snapshot = tmp_path / "hub" / "models--owner--name" / "snapshots" / COMMIT
    return Bench(tmp_path, transformers_folder(snapshot))


def test_a_conversion_is_complete_named_by_revision_and_weights_and_found(bench: Bench) -> None:
    converter = bench.converter()
    assert converter.find(SPEC, bench.source) is None
    folder = converter.convert(SPEC, bench.source, lambda _: None, threading.Event())
    assert folder == bench.cache_dir / "converted" / f"owner--name-{COMMIT[:12]}-int8"
    check_model_dir(folder)
    assert '"feature_size": 80' in (folder / "preprocessor_config.json").read_text("utf-8")
    assert bench.left() == [folder.name]
    assert converter.find(SPEC, bench.source) == folder


def test_it_is_made_once(bench: Bench) -> None:
    assert bench.convert() == bench.convert()
    assert bench.requests() == 1


def test_a_source_that_has_a_preprocessor_gives_its_own(bench: Bench) -> None:
    (bench.source / "preprocessor_config.json").write_text('{"feature_size": 80, "mine": 1}')
    assert "mine" in (bench.convert() / "preprocessor_config.json").read_text("utf-8")


def test_another_weight_type_and_another_revision_are_other_conversions(bench: Bench) -> None:
    first = bench.convert()
    assert bench.converter(compute_type="float16").find(SPEC, bench.source) is None
    other = bench.source.with_name("f" * 40)
    bench.source.rename(other)
    moved = replace(bench, source=other)
    assert moved.converter().find(SPEC, other) is None
    assert moved.convert() != first


def test_a_folder_of_the_operator_is_known_by_its_files(tmp_path: Path) -> None:
    folder = transformers_folder(tmp_path / "mine")
    keys = [source_key(folder)]
    (folder / "config.json").write_text("{}")
    keys.append(source_key(folder))
    transformers_folder(folder, n_mels=128)
    keys.append(source_key(folder))
    assert len(set(keys)) == 3
    assert source_key(folder) == keys[-1]


def test_a_conversion_that_lost_part_of_a_file_is_made_again(bench: Bench) -> None:
    folder = bench.convert()
    weights = folder / "model.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert bench.converter().find(SPEC, bench.source) is None
    assert bench.convert() == folder
    check_model_dir(folder)
    assert bench.requests() == 2


def test_progress_goes_up_to_all_bytes(bench: Bench) -> None:
    seen: list[Transfer] = []
    bench.converter().convert(SPEC, bench.source, seen.append, threading.Event())
    done = [transfer.done_bytes for transfer in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total_bytes
    assert seen[-1].total_bytes == (bench.source / "model.safetensors").stat().st_size + (
        2 * 80 * 3 + len(TOKENS) * 2
    )


def test_before_anything_is_written_no_rate_is_told(bench: Bench) -> None:
    waits = COPIES.replace("shutil.copytree", "sys.stdin.read(1); shutil.copytree")
    seen: list[Transfer] = []
    cancelled = threading.Event()

    def see(transfer: Transfer) -> None:
        seen.append(transfer)
        if len(seen) == 5:
            cancelled.set()

    with pytest.raises(EngineError, match="cancelled"):
        bench.converter(waits).convert(SPEC, bench.source, see, cancelled)
    assert all(transfer.bytes_per_s is None for transfer in seen)
    assert seen[-1].done_bytes == (bench.source / "model.safetensors").stat().st_size


def test_without_packages_it_says_what_to_run(bench: Bench) -> None:
    error = bench.refusal(python=None)
    assert error.code == "needs_convert_packages"
    assert "python realtime_thai_asr_server.py --convert m" in error.message


def test_packages_that_cannot_be_loaded_are_told_with_the_reason(bench: Bench) -> None:
    error = bench.refusal(
        'print(\'{"error": "needs_convert_packages", "message": "no libtorch.so"}\')'
    )
    assert error.code == "needs_convert_packages"
    assert "--convert m" in error.message
    assert "no libtorch.so" in error.message


def test_pickled_weights_are_refused_before_anything_runs(bench: Bench) -> None:
    (bench.source / "model.safetensors").rename(bench.source / "pytorch_model.bin")
    assert bench.refusal(python=None).code == "unsafe_format"
    assert bench.requests() == 0


def test_a_result_that_does_not_fit_is_not_kept(bench: Bench) -> None:
    ct2_folder(bench.folder / "made", tokens=TOKENS[:-1], complete=False)
    assert bench.refusal().code == "model_misfit"


def test_a_crash_is_told_and_leaves_nothing(bench: Bench) -> None:
    error = bench.refusal("raise SystemExit('no such thing')")
    assert error.code == "conversion_failed"
    assert "no such thing" in error.message


def test_a_time_limit_leaves_nothing(bench: Bench) -> None:
    assert bench.refusal(WAITS, timeout_s=0.5).code == "conversion_timeout"


def test_a_cancelled_conversion_leaves_nothing(bench: Bench) -> None:
    cancelled = threading.Event()
    converter = bench.converter(WAITS)
    with pytest.raises(EngineError) as caught:
        converter.convert(SPEC, bench.source, lambda _: cancelled.set(), cancelled)
    assert caught.value.code == "cancelled"
    assert bench.left() == []
    assert python_children() == []


def test_a_full_disk_is_told_before_it_begins(bench: Bench) -> None:
    error = bench.refusal(free_bytes=lambda _: 1_000)
    assert error.code == "disk_full"
    assert "THAI_ASR_CACHE_DIR" in error.message
    assert bench.requests() == 0


def test_a_cache_that_cannot_be_written_is_told(bench: Bench) -> None:
    bench.cache_dir.write_text("a file")
    with pytest.raises(EngineError) as caught:
        bench.convert()
    assert caught.value.code == "cache_failed"


def test_what_a_killed_process_left_is_removed_and_what_is_being_made_is_not(
    bench: Bench,
) -> None:
    place = bench.cache_dir / "converted"
    for name in ("dead-int8.making", "live-int8.making"):
        (place / name).mkdir(parents=True)
    with FileLock(place / "live-int8.lock"):
        folder = bench.convert()
    assert bench.left() == ["live-int8.making", folder.name]


def test_two_at_once_make_it_once(bench: Bench) -> None:
    converters = [bench.converter(), bench.converter()]

    def convert(converter: Converter) -> Path:
        return converter.convert(SPEC, bench.source, lambda _: None, threading.Event())

    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(convert, converters))
    assert folders[0] == folders[1]
    assert bench.requests() == 1


def test_waiting_for_another_process_can_be_cancelled(bench: Bench) -> None:
    place = bench.cache_dir / "converted"
    place.mkdir(parents=True)
    cancelled = threading.Event()
    cancelled.set()
    with (
        FileLock(place / f"owner--name-{COMMIT[:12]}-int8.lock"),
        pytest.raises(EngineError) as caught,
    ):
        bench.converter().convert(SPEC, bench.source, lambda _: None, cancelled)
    assert caught.value.code == "cancelled"


@pytest.mark.parametrize("name", list(BYTES_OF))
def test_a_compute_type_is_the_type_of_the_weights_in_the_file(name: str) -> None:
    assert quantization_of(name) == name


def test_an_unknown_compute_type_is_kept_as_float16() -> None:
    assert quantization_of("default") == "float16"


def test_the_memory_bound_grows_with_the_model_up_to_the_machine() -> None:
    total_mb = psutil.virtual_memory().total / 1e6
    assert default_memory_mb(0) == min(1_500, round(0.8 * total_mb))
    assert default_memory_mb(10**15) == round(0.8 * total_mb)
