"""Tokenizers are shared by models that have the same one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from asr.tokenizer_pool import MOST_KEPT, TokenizerPool
from tests.support.model_folders import TEXT


def written(folder: Path, name: str, *more: str) -> Path:
    path = folder / name
    vocabulary = {token: number for number, token in enumerate((*TEXT, *more))}
    Tokenizer(models.BPE(vocabulary, [])).save(str(path))
    return path


def test_the_same_content_is_read_once(tmp_path: Path) -> None:
    pool = TokenizerPool()
    first = pool.read(written(tmp_path, "a"))
    assert pool.read(written(tmp_path, "b")) is first
    assert pool.read(written(tmp_path, "c", "<|0.04|>")) is not first


def test_few_are_kept_those_used_last(tmp_path: Path) -> None:
    pool = TokenizerPool()
    paths = [written(tmp_path, str(n), f"<|{n}|>") for n in range(MOST_KEPT + 1)]
    read = [pool.read(path) for path in paths[:-1]]
    assert pool.read(paths[0]) is read[0]
    pool.read(paths[-1])
    assert pool.read(paths[0]) is read[0]
    assert pool.read(paths[1]) is not read[1]


def test_a_file_that_is_none_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{}")
    with pytest.raises(Exception, match="Cannot instantiate Tokenizer"):
        TokenizerPool().read(tmp_path / "x")
