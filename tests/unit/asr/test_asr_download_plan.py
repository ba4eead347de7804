"""Which files a model needs, and what is left to fetch."""

from __future__ import annotations

import pytest

from asr.download_plan import (
    HEADROOM_BYTES,
    DownloadPlan,
    RepoFile,
    RepoListing,
    check_space,
    choose_files,
    megabytes,
    plan_download,
)
from asr.engine import EngineError
from asr.types import ModelFormat

CT2, TRANSFORMERS = ModelFormat.CT2, ModelFormat.TRANSFORMERS
CT2_NAMES = ("config.json", "tokenizer.json", "vocabulary.json", "model.bin")
LARGE_V3 = (
    *("README.md", "config.json", "generation_config.json", "preprocessor_config.json"),
    *("vocab.json", "merges.txt", "added_tokens.json", "normalizer.json", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "flax_model.msgpack"),
    *("model.safetensors", "model.fp32-00001-of-00002.safetensors"),
    *("model.fp32-00002-of-00002.safetensors", "model.safetensors.index.fp32.json"),
    *("pytorch_model.bin", "pytorch_model.fp32-00001-of-00002.bin"),
)


def code_of(names: tuple[str, ...], model_format: ModelFormat) -> tuple[str, str]:
    with pytest.raises(EngineError) as caught:
        choose_files("o/n", names, model_format)
    return caught.value.code, caught.value.message


def test_a_ct2_model_is_its_weights_and_what_is_read_with_them() -> None:
    names = (*CT2_NAMES, "README.md", ".gitattributes", "preprocessor_config.json", "audio.wav")
    chosen = choose_files("o/n", names, CT2)
    assert set(chosen) == {*CT2_NAMES, "preprocessor_config.json"}
    assert chosen[-1] == "model.bin", "weights last"


def test_one_vocabulary_is_enough() -> None:
    both = choose_files("o/n", (*CT2_NAMES, "vocabulary.txt"), CT2)
    assert "vocabulary.txt" not in both
    assert "vocabulary.txt" in choose_files(
        "o/n", ("config.json", "vocabulary.txt", "model.bin"), CT2
    )


@pytest.mark.parametrize("missing", ["config.json", "vocabulary.json", "model.bin"])
def test_a_ct2_model_without_a_needed_file_is_not_there(missing: str) -> None:
    names = tuple(name for name in CT2_NAMES if name != missing)
    code, message = code_of(names, CT2)
    assert code == "model_not_found"
    assert f"lacks {missing}" in message


def test_a_transformers_model_called_ct2_is_named() -> None:
    _, message = code_of(("config.json", "model.safetensors"), CT2)
    assert "say `format: transformers`" in message


def test_of_many_copies_of_the_weights_one_is_taken() -> None:
    chosen = choose_files("o/n", LARGE_V3, TRANSFORMERS)
    weights = [name for name in chosen if "model" in name]
    assert weights == ["model.safetensors"]
    assert len(chosen) == 11


def test_shards_come_before_their_index() -> None:
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    index = "model.safetensors.index.json"
    chosen = choose_files("o/n", ("config.json", index, *shards, "pytorch_model.bin"), TRANSFORMERS)
    assert chosen == ("config.json", *shards, index)


def test_a_missing_shard_is_missed() -> None:
    names = ("config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors")
    assert code_of(names, TRANSFORMERS)[0] == "model_not_found"
    assert code_of(names[:2], TRANSFORMERS)[0] == "model_not_found"


@pytest.mark.parametrize(
    "weights", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "best.pt", "x.ckpt"]
)
def test_pickles_are_refused(weights: str) -> None:
    code, message = code_of(("config.json", weights), TRANSFORMERS)
    assert code == "unsafe_format"
    assert "pickle" in message


def test_no_weights_at_all() -> None:
    assert code_of(("config.json",), TRANSFORMERS)[0] == "model_not_found"


# -- what is left to fetch ---------------------------------------------------------------------
SIZES = {"config.json": 10, "vocabulary.json": 20, "tokenizer.json": 30, "model.bin": 1000}


def listing(**etags: str) -> RepoListing:
    files = tuple(RepoFile(n, s, etags.get(n.split(".")[0], n)) for n, s in SIZES.items())
    return RepoListing("o/n", "c" * 40, (*files, RepoFile("README.md", 5, "r")))


def plan(complete: set[str], parts: dict[str, int]) -> DownloadPlan:
    return plan_download(listing(), CT2, complete, parts)


def test_everything_is_fetched_at_first() -> None:
    first = plan(set(), {})
    assert (first.total_bytes, first.done_bytes, first.missing_bytes) == (1060, 0, 1060)
    assert [f.name for f in first.to_fetch][-1] == "model.bin"


def test_what_is_there_whole_or_in_part_counts() -> None:
    later = plan({"config.json", "another file"}, {"model.bin": 400, "stale": 7})
    assert later.done_bytes == 410
    assert "config.json" not in {f.name for f in later.to_fetch}
    assert later.held == {"model.bin": 400}


def test_a_part_longer_than_its_file_is_worth_nothing() -> None:
    assert plan(set(), {"model.bin": 1001}).done_bytes == 0


def test_equal_contents_are_fetched_once() -> None:
    twins = RepoListing(
        "o/n",
        "c" * 40,
        (*(RepoFile(name, 10, "same") for name in CT2_NAMES[:3]), RepoFile("model.bin", 50, "w")),
    )
    both = plan_download(twins, CT2, set(), {})
    assert [f.etag for f in both.to_fetch] == ["same", "w"]
    assert both.total_bytes == 60


def test_the_disk_must_hold_the_rest_and_some_air() -> None:
    part = plan(set(), {"model.bin": 400})
    check_space(part, 660 + HEADROOM_BYTES, "/cache")
    with pytest.raises(EngineError, match="256 MB are free") as caught:
        check_space(part, 659 + HEADROOM_BYTES, "/cache")
    assert caught.value.code == "disk_full"
    assert "HF_HOME" in caught.value.message


def test_a_complete_model_needs_no_room() -> None:
    check_space(plan(set(SIZES), {}), 0, "/cache")


def test_sizes_in_words() -> None:
    assert [megabytes(n) for n in (4_400_000, 3_090_000_000)] == ["4 MB", "3.09 GB"]
