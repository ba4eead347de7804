"""A bounded store that its owners share fairly. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Kept(Protocol):
    """What is put on a shelf: numbered in order of time."""

    @property
    def event_id(self) -> int:
        """Its number."""
        ...

    @property
    def at_s(self) -> float:
        """When it was put there."""
        ...

    @property
    def text(self) -> str:
        """What counts by its characters."""
        ...

    @property
    def owner(self) -> str:
        """Whose share of the room it takes."""
        ...


KeptT = TypeVar("KeptT", bound=Kept)


@dataclass(frozen=True, slots=True)
class Room:
    """The most that a shelf holds."""

    events: int
    chars: int


@dataclass(slots=True)
class _Share:
    ids: OrderedDict[int, None] = field(default_factory=OrderedDict)
    chars: int = 0


class Shelf(Generic[KeptT]):
    """What was put there last.

    Bound: `room`. Overflow: of the owner that takes the most of what ran out, the oldest goes. So
    where `n` owners are, nobody who takes the `n`th part of the room loses anything to the others.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: OrderedDict[int, KeptT] = OrderedDict()
        self._shares: dict[str, _Share] = {}
        self.chars = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[KeptT]:
        return iter(self._kept.values())

    def get(self, event_id: int) -> KeptT | None:
        """What has this number, if it is here."""
        return self._kept.get(event_id)

    def put(self, item: KeptT) -> list[KeptT]:
        """Keep it. Returns what had to go instead, which may be itself."""
        share = self._shares.setdefault(item.owner, _Share())
        self._kept[item.event_id] = item
        share.ids[item.event_id] = None
        share.chars += len(item.text)
        self.chars += len(item.text)
        gone: list[KeptT] = []
        while len(self._kept) > self._room.events:
            gone.append(self._pop_of(max(self._shares.values(), key=lambda s: len(s.ids))))
        while self.chars > self._room.chars:
            gone.append(self._pop_of(max(self._shares.values(), key=lambda s: s.chars)))
        return gone

    def pop(self, event_id: int) -> KeptT | None:
        """Take away what has this number, if it is here."""
        item = self._kept.pop(event_id, None)
        if item is not None:
            share = self._shares[item.owner]
            del share.ids[event_id]
            share.chars -= len(item.text)
            self.chars -= len(item.text)
            if not share.ids:
                del self._shares[item.owner]
        return item

    def pop_before(self, limit_s: float) -> list[KeptT]:
        """Take away what was put there before a time."""
        gone: list[KeptT] = []
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.at_s >= limit_s:
                break
            gone.append(oldest)
            self.pop(oldest.event_id)
        return gone

    def _pop_of(self, share: _Share) -> KeptT:
        item = self.pop(next(iter(share.ids)))
        assert item is not None  # a share's numbers are on the shelf
        return item
