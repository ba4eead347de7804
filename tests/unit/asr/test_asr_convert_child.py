"""What of the conversion needs no torch."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizers

from asr import convert_child
from asr.convert_child import MisfitError, complete, in_words
from tests.support.model_folders import SPECIAL, TEXT, TOKENS


def tokenizer_of(*tokens: str) -> tokenizers.Tokenizer:
    """A tokenizer with texts and named tokens, numbered in this order."""
    texts = {t: n for n, t in enumerate(tokens) if not t.startswith("<|")}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(texts, [("a", "b")]))
    made.add_special_tokens([token for token in tokens if token.startswith("<|")])
    return made


def test_timestamps_are_added_up_to_the_size_of_the_weights() -> None:
    tokenizer = tokenizer_of(*TEXT, *SPECIAL)
    complete(tokenizer, len(TOKENS))
    assert [tokenizer.id_to_token(n) for n in range(len(TOKENS))] == list(TOKENS)
    last = tokenizer_of(*TEXT, *SPECIAL)
    complete(last, len(TEXT) + len(SPECIAL) + 1501)
    assert last.id_to_token(len(TEXT) + len(SPECIAL) + 1500) == "<|30.00|>"


def test_a_complete_tokenizer_is_left_alone() -> None:
    tokenizer = tokenizer_of(*TOKENS)
    complete(tokenizer, len(TOKENS))
    assert tokenizer.get_vocab_size() == len(TOKENS)


@pytest.mark.parametrize(
    ("tokens", "size"),
    [
        (TOKENS, len(TOKENS) - 1),
        (TOKENS, len(TOKENS) + 1),
        ((*TEXT, *SPECIAL[:3]), len(TOKENS)),
    ],
)
def test_a_tokenizer_of_another_size_is_refused(tokens: tuple[str, ...], size: int) -> None:
    with pytest.raises(MisfitError, match=f"the weights have {size}"):
        complete(tokenizer_of(*tokens), size)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MisfitError("odd"), "model_misfit"),
        (ModuleNotFoundError("No module named 'torch'"), "needs_convert_packages"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.ENOENT, "No such file"), "conversion_failed"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (ValueError("odd"), "conversion_failed"),
        (KeyboardInterrupt(), "conversion_failed"),
    ],
)
def test_what_went_wrong_has_a_code(error: BaseException, code: str) -> None:
    assert in_words(error)[0] == code


def test_as_a_process_it_says_that_packages_are_missing() -> None:
    """Without site-packages there is no torch. Its lines are JSON and nothing else."""
    request = {"source": "", "target": "", "quantization": "int8", "vocab_size": 1, "threads": 1}
    parent, life = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", convert_child.__file__, json.dumps(request)],
            stdin=parent,
            capture_output=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(parent)
        os.close(life)
    phase, error = map(json.loads, done.stdout.splitlines())
    assert phase == {"phase": "starting"}
    assert error["error"] == "needs_convert_packages"
    assert done.returncode == 1


def test_it_ends_with_its_parent() -> None:
    root = Path(__file__).parents[3]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from asr.convert_child import end_with_parent; end_with_parent()"
    )
    child = subprocess.Popen([sys.executable, "-I", "-c", code], stdin=subprocess.PIPE)
    assert child.poll() is None
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) == convert_child.ORPHAN_STATUS


def test_what_libraries_print_is_no_line_of_ours() -> None:
    root = Path(__file__).parents[3]
    code = (
        f"import os, sys; sys.path.insert(0, {str(root)!r})\n"
        "from asr.convert_child import claim_stdout\n"
        "lines = claim_stdout()\n"
        "print('a library prints'); os.write(lines, b'ours')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        capture_output=True,
        check=True,
        timeout=60,
        env=os.environ,
    )
    assert done.stdout == b"ours"
    assert b"a library prints" in done.stderr
