"""A made-up machine for the decisions of `asr.device`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.device import Memory
from asr.nvidia_smi import Card

RTX_3070 = Card("NVIDIA GeForce RTX 3070", "550.54.14", 8192, 7900, "GPU-1", (8, 6))
TESLA_T4 = Card("Tesla T4", "550.54.14", 15360, 14900, "GPU-2", (7, 5))
GTX_1060 = Card("NVIDIA GeForce GTX 1060 6GB", "535.104", 6144, 5900, "GPU-3", (6, 1))

CPU_TYPES = frozenset({"float32", "int8", "int8_float32"})
GPU_TYPES = CPU_TYPES | {"float16", "bfloat16", "int8_float16", "int8_bfloat16"}


@dataclass
class FakeProbe:
    """A `DeviceProbe` that says what it was told."""

    gpus: int = 0
    found_cards: Sequence[Card] = ()
    problem: str = ""
    types: frozenset[str] = CPU_TYPES
    ram: Memory | None = None
    rss_mb: int = 100

    def cuda_device_count(self) -> int:
        return self.gpus

    def cuda_problem(self) -> str:
        return self.problem

    def cards(self) -> Sequence[Card]:
        return self.found_cards

    def supported_compute_types(self, device: str) -> frozenset[str]:
        return self.types if device == "cuda" else CPU_TYPES

    def memory(self, device: str) -> Memory | None:
        if device == "cpu":
            return self.ram
        card = self.found_cards[0] if self.found_cards else None
        if card is None or card.total_mb is None or card.free_mb is None:
            return None
        return Memory(card.total_mb, card.free_mb)

    def process_mb(self) -> int:
        return self.rss_mb


def with_card(card: Card = RTX_3070, *, problem: str = "") -> FakeProbe:
    """A machine with a card that CUDA sees."""
    return FakeProbe(1, (card,), problem, GPU_TYPES)
