"""An inbox: order, its two bounds, who waits, and when overload is said."""

from __future__ import annotations

import asyncio

import pytest

from server.inbox import MAX_OTHER_ITEMS, Inbox

pytestmark = pytest.mark.asyncio


def inbox_of(limit_s: float = 4.0) -> Inbox[str]:
    return Inbox[str](limit_s, lambda: None, overloaded_after_s=60.0)


async def let_others_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_items_come_out_in_order() -> None:
    inbox = inbox_of()
    await inbox.put("one", 1.0)
    await inbox.put("command")
    await inbox.put("two", 1.0)
    assert inbox.audio_s == 2.0
    assert [await inbox.get() for _ in range(3)] == ["one", "command", "two"]
    assert inbox.audio_s == 0.0


async def test_the_audio_behind_ends_at_the_first_command() -> None:
    inbox = inbox_of(limit_s=4.0)
    for item, seconds in (("one", 1.0), ("two", 1.0), ("command", 0.0), ("three", 2.0)):
        await inbox.put(item, seconds)
    putting = asyncio.create_task(inbox.put("four", 1.0))
    await let_others_run()
    assert inbox.get_audio_behind() == ["one", "two"]
    assert inbox.get_audio_behind() == []
    await putting
    assert inbox.audio_s == 3.0
    assert await inbox.get() == "command"
    assert inbox.get_audio_behind() == ["three", "four"]
    assert inbox.audio_s == 0.0


async def test_get_waits_for_an_item() -> None:
    inbox = inbox_of()
    getting = asyncio.create_task(inbox.get())
    await let_others_run()
    assert not getting.done()
    inbox.put_now("item")
    assert await getting == "item"


async def test_a_cancelled_get_loses_nothing() -> None:
    inbox = inbox_of()
    getting = asyncio.create_task(inbox.get())
    await let_others_run()
    inbox.put_now("item")
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert await inbox.get() == "item"


async def test_audio_beyond_the_limit_waits_for_room() -> None:
    inbox = inbox_of(limit_s=4.0)
    await inbox.put("first", 3.0)
    await inbox.put("second", 1.0)
    putting = asyncio.create_task(inbox.put("third", 0.5))
    await let_others_run()
    assert not putting.done()
    assert inbox.audio_s == 4.0
    await inbox.get()
    await putting
    assert inbox.audio_s == 1.5


async def test_one_message_longer_than_the_limit_is_taken_when_no_other_waits() -> None:
    inbox = inbox_of(limit_s=4.0)
    await inbox.put("command")
    await inbox.put("long", 60.0)
    putting = asyncio.create_task(inbox.put("next", 0.1))
    await let_others_run()
    assert not putting.done()
    assert [await inbox.get(), await inbox.get()] == ["command", "long"]
    await putting


async def test_commands_have_a_bound_of_their_own() -> None:
    inbox = inbox_of()
    for _ in range(MAX_OTHER_ITEMS):
        await inbox.put("command")
    await inbox.put("audio", 1.0)
    putting = asyncio.create_task(inbox.put("one too many"))
    await let_others_run()
    assert not putting.done()
    await inbox.get()
    await putting


async def test_the_servers_own_commands_never_wait() -> None:
    inbox = inbox_of()
    for number in range(MAX_OTHER_ITEMS + 10):
        inbox.put_now(str(number))
    assert [await inbox.get() for _ in range(3)] == ["0", "1", "2"]


async def test_a_cancelled_put_adds_nothing() -> None:
    inbox = inbox_of(limit_s=1.0)
    await inbox.put("first", 1.0)
    putting = asyncio.create_task(inbox.put("second", 1.0))
    await let_others_run()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await inbox.get() == "first"
    assert inbox.audio_s == 0.0


async def test_once_it_is_closed_no_audio_is_taken_also_what_waits_for_room() -> None:
    inbox = inbox_of(limit_s=1.0)
    assert await inbox.put("first", 1.0)
    putting = asyncio.create_task(inbox.put("second", 1.0))
    await let_others_run()
    inbox.close()
    assert not await putting
    assert not await inbox.put("third", 1.0)
    assert await inbox.put("command")
    assert [await inbox.get(), await inbox.get()] == ["first", "command"]


async def test_overload_is_said_while_nothing_is_consumed_and_loses_nothing() -> None:
    overloaded = asyncio.Event()
    inbox = Inbox[str](1.0, overloaded.set, overloaded_after_s=0.0)
    await inbox.put("first", 1.0)
    assert not overloaded.is_set()
    putting = asyncio.create_task(inbox.put("second", 1.0))
    await overloaded.wait()
    assert await inbox.get() == "first"
    await putting
    assert await inbox.get() == "second"


async def test_a_wait_that_ends_in_time_is_no_overload() -> None:
    overloads: list[str] = []
    inbox = Inbox[str](1.0, lambda: overloads.append("overloaded"), overloaded_after_s=60.0)
    await inbox.put("first", 1.0)
    putting = asyncio.create_task(inbox.put("second", 1.0))
    await let_others_run()
    await inbox.get()
    await putting
    assert overloads == []


async def test_room_made_in_the_moment_of_the_timeout_is_no_overload() -> None:
    overloads: list[str] = []
    inbox = Inbox[str](1.0, lambda: overloads.append("overloaded"), overloaded_after_s=0.0)
    await inbox.put("first", 1.0)
    putting = asyncio.create_task(inbox.put("second", 1.0))
    getting = asyncio.create_task(inbox.get())
    await asyncio.gather(putting, getting)
    assert overloads == []


async def test_a_long_message_that_is_consumed_bit_by_bit_is_no_overload() -> None:
    overloads: list[str] = []
    inbox = Inbox[str](1.0, lambda: overloads.append("overloaded"), overloaded_after_s=0.05)
    await inbox.put("a minute", 60.0)
    putting = asyncio.create_task(inbox.put("second", 60.0))
    waiting = asyncio.create_task(inbox.put("third", 1.0))
    assert await inbox.get() == "a minute"
    for _ in range(20):
        inbox.note_progress()
        await asyncio.sleep(0.01)
    assert overloads == []
    assert await inbox.get() == "second"
    await asyncio.gather(putting, waiting)


async def test_audio_and_nothing_else_is_taken_as_told() -> None:
    taken: list[float] = []

    async def take(audio_s: float) -> None:
        taken.append(audio_s)

    inbox = Inbox[str](1.0, lambda: None, take=take)
    await inbox.put("audio", 0.5)
    await inbox.put("command")
    inbox.put_now("the server's own", 0.5)
    assert taken == [0.5]
