"""Awaiting results by the functions of huey.contrib.asyncio."""

import asyncio

import pytest
from waiting import PATIENCE

from huey.contrib.asyncio import aget_result, aget_result_group
from huey.exceptions import ResultTimeout


@pytest.fixture
def echo(huey):
    return huey.task(name="echo")(lambda value: value)


def test_results_are_awaited(huey, echo, consumer):
    async def main():
        one, two = echo(1), echo(2)
        values = await asyncio.gather(
            aget_result(one), aget_result(two, backoff=1.5, max_delay=0.1, preserve=True)
        )
        return values, await aget_result_group(echo.map([3, 4])), huey.result(two.id)

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == ([1, 2], [3, 4], 2)


def test_a_wait_that_is_over_says_so(echo):
    async def main():
        with pytest.raises(ResultTimeout):
            await aget_result(echo(1), timeout=0.01)
        with pytest.raises(ResultTimeout):
            await aget_result_group(echo.map([1]), 1.15, 1.0, timeout=0.01)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
