"""Converts one model, as a process of its own: the only file that imports torch and transformers.

    python -I convert_child.py REQUEST

REQUEST is a JSON object: `source` (a transformers folder), `target` (a folder that is not there
yet), `quantization`, `vocab_size`, `threads`. It runs in an environment that need not have anything
of this project, so it imports nothing of it. Standard output is JSON, one object a line:
{"phase": ...} while it works, {"error": code, "message": ...} if it fails (exit status 1). Standard
input is the parent's life: at its end this process ends too, so that none is left behind.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "bad_alloc")
TIED = {"proj_out.weight"}
"""Weights that need not be in a file: the output layer is the token embeddings."""

TIMESTAMP_STEP_S = 0.02
ORPHAN_STATUS = 3

Tell = Callable[..., None]


class MisfitError(Exception):
    """The files do not belong together. The message says how."""


def convert(request: dict[str, Any], tell: Tell) -> None:
    """Convert, and write the tokenizer beside the weights."""
    tell(phase="starting")
    import torch  # noqa: PLC0415 - takes seconds; a lack of it is told as what it is

    torch.set_num_threads(request["threads"])
    torch.set_num_interop_threads(1)
    converter = safe_converter(request, tell)
    tell(phase="loading")
    converter.convert(request["target"], quantization=request["quantization"])
    tell(phase="written")


def safe_converter(request: dict[str, Any], tell: Tell) -> Any:
    """CTranslate2's converter, kept to this folder, to safetensors and to code that is installed.

    A pickle can run code when it is loaded, and so can code that comes with a model: neither is
    ever loaded, whatever the folder holds.
    """
    import transformers  # noqa: PLC0415
    from ctranslate2.converters import TransformersConverter  # noqa: PLC0415

    safe = loading_safely(TransformersConverter, transformers.WhisperForConditionalGeneration, tell)
    whole = writing_tokenizer(safe, transformers.WhisperTokenizerFast, request["vocab_size"])
    return whole(request["source"], low_cpu_mem_usage=True, trust_remote_code=False)


def loading_safely(base: Any, whisper: Any, tell: Tell) -> Any:
    """A converter that takes Whisper only, and its weights as `load_weights` does."""

    class Safe(base):  # type: ignore[misc]
        def load_model(self, model_class: Any, path: str, **options: Any) -> Any:
            if model_class is not whisper:
                raise MisfitError(f"config.json is that of a {model_class.__name__}, not Whisper")
            model = load_weights(model_class, path, options)
            tell(phase="quantizing")
            return model

        def _load(self) -> Any:
            spec = super()._load()
            keep_convolutions(spec)
            return spec

    return Safe


def writing_tokenizer(base: Any, tokenizer_class: Any, vocab_size: int) -> Any:
    """A converter that writes `tokenizer.json` too, checked against the weights."""

    class Whole(base):  # type: ignore[misc]
        def load_tokenizer(self, _any_class: Any, path: str, **_options: Any) -> Any:
            made = tokenizer_class.from_pretrained(path, local_files_only=True)
            self.backend = made.backend_tokenizer
            complete(self.backend, vocab_size)
            return made

        def convert(self, target: str, **options: Any) -> str:
            made: str = super().convert(target, **options)
            self.backend.save(str(Path(made) / "tokenizer.json"))
            return made

    return Whole


def load_weights(model_class: Any, path: str, options: dict[str, Any]) -> Any:
    """The model, from safetensors and all of it. Raises MisfitError."""
    model, told = model_class.from_pretrained(
        path,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **options,
    )
    lacking = sorted(set(told["missing_keys"]) - TIED)
    if lacking:  # the library would fill them with random numbers
        raise MisfitError(f"the weights lack {len(lacking)} tensors, {lacking[0]} for one")
    return model


def keep_convolutions(spec: Any) -> None:
    """Leave the two convolutions as they are, as CTranslate2 does when it quantises as it loads.

    Rounded in the file they would cost accuracy and save 1 %. What has no scale is not quantised.
    """
    for convolution in (spec.encoder.conv1, spec.encoder.conv2):
        if hasattr(convolution, "weight_scale"):
            del convolution.weight_scale


def complete(tokenizer: Any, vocab_size: int) -> None:
    """Add the timestamps that older tokenizers lack. Raises MisfitError if it does not fit then."""
    known: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    lacking = vocab_size - len(known)
    last = "<|notimestamps|>"
    if lacking > 0 and known.get(last) == len(known) - 1:
        tokenizer.add_tokens([f"<|{n * TIMESTAMP_STEP_S:.2f}|>" for n in range(lacking)])
        known = tokenizer.get_vocab(with_added_tokens=True)
    if sorted(known.values()) != list(range(vocab_size)):
        raise MisfitError(
            f"the tokenizer has {len(known)} tokens and the weights have {vocab_size}: it is that "
            "of another model"
        )


def in_words(error: BaseException) -> tuple[str, str]:
    """The code and the message of what went wrong."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, MisfitError):
        return "model_misfit", str(error)
    if isinstance(error, ImportError):
        return "needs_convert_packages", reason
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return "disk_full", str(error)
    if isinstance(error, MemoryError) or any(words in reason.lower() for words in NO_MEMORY):
        return "out_of_memory", reason
    return "conversion_failed", reason


def main() -> int:
    """Run as the module says."""
    lines = claim_stdout()

    def tell(**words: object) -> None:
        with contextlib.suppress(OSError):  # a parent that is gone is noticed by `end_with_parent`
            os.write(lines, json.dumps(words).encode() + b"\n")

    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    try:
        convert(json.loads(sys.argv[1]), tell)
    except BaseException as error:
        code, message = in_words(error)
        tell(error=code, message=message)
        return 1
    return 0


def claim_stdout() -> int:
    """A descriptor of standard output; whatever else is printed goes to standard error."""
    lines = os.dup(1)
    os.dup2(2, 1)
    return lines


def end_with_parent() -> None:
    """Wait for the end of standard input, then end, whatever is being done."""
    while os.read(0, 1024):
        pass
    os._exit(ORPHAN_STATUS)


if __name__ == "__main__":
    sys.exit(main())
