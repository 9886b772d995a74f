"""The slot that keeps the newest only."""

import asyncio

import pytest

from isthmus.serve import latest


async def test_many_sets_are_one_wait() -> None:
    slot: latest.Latest[int] = latest.Latest()
    for value in range(5):
        slot.set(value)
    assert await slot.wait() == 4


async def test_a_waiter_wakes() -> None:
    wake = latest.Wake()
    asyncio.get_running_loop().call_soon(wake.ring)
    await asyncio.wait_for(wake.wait(), 1)


async def test_a_read_value_is_not_read_again() -> None:
    slot: latest.Latest[int] = latest.Latest()
    slot.set(1)
    await slot.wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slot.wait(), 0.01)


async def test_a_closed_slot_hands_out_its_last_and_ends() -> None:
    slot: latest.Latest[int] = latest.Latest()
    slot.set(7)
    slot.close()
    assert await slot.wait() == 7
    with pytest.raises(latest.EndOfValues):
        await slot.wait()
