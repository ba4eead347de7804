from __future__ import annotations

from dataclasses import dataclass

from server.shelf import Room, Shelf


@dataclass(frozen=True)
class Item:
    event_id: int
    owner: str = "a"
    text: str = "x"
    at_s: float = 0.0


def ids(shelf: Shelf[Item]) -> list[int]:
    return [item.event_id for item in shelf]


def test_what_is_put_is_there_until_it_is_taken_away() -> None:
    shelf = Shelf[Item](Room(10, 10))
    item = Item(1)
    assert shelf.put(item) == []
    assert shelf.get(1) is item
    assert (len(shelf), shelf.chars) == (1, 1)
    assert shelf.pop(1) is item
    assert shelf.pop(1) is None
    assert (len(shelf), shelf.chars) == (0, 0)


def test_the_oldest_goes_of_the_owner_that_has_the_most() -> None:
    shelf = Shelf[Item](Room(4, 100))
    for item in (Item(1, "a"), Item(2, "b"), Item(3, "b"), Item(4, "c")):
        assert shelf.put(item) == []
    assert [item.event_id for item in shelf.put(Item(5, "c"))] == [2]
    assert [item.event_id for item in shelf.put(Item(6, "c"))] == [4]
    assert ids(shelf) == [1, 3, 5, 6]


def test_where_characters_run_out_they_are_what_counts() -> None:
    shelf = Shelf[Item](Room(100, 10))
    for number in range(5):
        shelf.put(Item(number, "many"))
    shelf.put(Item(10, "much", "xxxx"))
    assert [item.event_id for item in shelf.put(Item(11, "much", "xxxx"))] == [10]
    assert ids(shelf) == [0, 1, 2, 3, 4, 11]
    assert [item.event_id for item in shelf.put(Item(12, "huge", "x" * 11))] == [12]
    assert shelf.chars == 9


def test_what_is_too_old_goes() -> None:
    shelf = Shelf[Item](Room(10, 10))
    for number in range(3):
        shelf.put(Item(number, at_s=float(number)))
    assert [item.event_id for item in shelf.pop_before(2.0)] == [0, 1]
    assert shelf.pop_before(2.0) == []
    assert ids(shelf) == [2]
