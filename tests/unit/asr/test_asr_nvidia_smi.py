"""What the driver's tool says, with a stand-in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.nvidia_smi import Card, ask, parse, visible

LINE = "NVIDIA GeForce RTX 3070, 550.54.14, 8192, 7900, GPU-1234, 8.6"
CARD = Card("NVIDIA GeForce RTX 3070", "550.54.14", 8192, 7900, "GPU-1234", (8, 6))
SMALL = Card("small", free_mb=1000, uuid="GPU-a1")
LARGE = Card("large", free_mb=9000, uuid="GPU-b2")


def tool(folder: Path, script: str) -> dict[str, str]:
    """An environment with a stand-in."""
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": str(folder)}


def test_a_card_is_read_with_all_that_is_told(tmp_path: Path) -> None:
    assert ask(tool(tmp_path, f"echo '{LINE}'")) == (CARD,)


def test_a_driver_that_tells_no_capability_is_asked_for_the_rest(tmp_path: Path) -> None:
    old = LINE.removesuffix(", 8.6")
    script = f'case "$1" in *compute_cap*) exit 2 ;; *) echo "{old}" ;; esac'
    (card,) = ask(tool(tmp_path, script))
    assert card.capability is None
    assert (card.name, card.total_mb, card.free_mb) == (CARD.name, 8192, 7900)


def test_what_a_shared_card_does_not_tell_is_none() -> None:
    (card,) = parse("NVIDIA A100, 550.1, [N/A], [N/A], GPU-1, [N/A]\n")
    assert (card.total_mb, card.free_mb, card.capability) == (None, None, None)


@pytest.mark.parametrize("script", ["exit 9", "echo nonsense", "exec /nowhere/x"])
def test_a_tool_that_says_nothing_of_use_finds_no_card(tmp_path: Path, script: str) -> None:
    assert ask(tool(tmp_path, script)) == ()


def test_a_tool_that_hangs_is_given_up(tmp_path: Path) -> None:
    assert ask(tool(tmp_path, "exec /usr/bin/tail -f /dev/null"), limit_s=0.05) == ()


def test_without_the_tool_there_is_no_card(tmp_path: Path) -> None:
    assert ask({"PATH": str(tmp_path)}) == ()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, (SMALL, LARGE)),
        ("1", (LARGE,)),
        ("1,0", (LARGE, SMALL)),
        ("GPU-b", (LARGE,)),
        ("7,0", ()),
        ("", ()),
        ("-1", ()),
    ],
)
def test_only_visible_cards_count_and_the_one_with_least_room_stands_first(
    wanted: str | None, expected: tuple[Card, ...]
) -> None:
    environment = {} if wanted is None else {"CUDA_VISIBLE_DEVICES": wanted}
    assert visible((SMALL, LARGE), environment) == expected
