"""The feed: everybody is told, nobody holds it up, and who missed something knows."""

from __future__ import annotations

import asyncio
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.feed import QUEUE_LENGTH, Feed, News
from tests.support.eventually import PATIENCE


def drain(queue: asyncio.Queue[News]) -> list[News]:
    found = []
    while not queue.empty():
        found.append(queue.get_nowait())
    return found


async def test_everybody_hears_it_in_order_from_any_thread() -> None:
    feed = Feed()
    news = [News("case", f"c-{n}") for n in range(50)]

    def tell() -> None:
        for one in news:
            feed.publish(one)

    async with feed.watch() as first, feed.watch() as second:
        assert feed.watchers == 2
        thread = threading.Thread(target=tell)
        thread.start()
        for queue in (first, second):
            assert [await asyncio.wait_for(queue.get(), 5 * PATIENCE) for _ in news] == news
        thread.join()
    assert feed.watchers == 0
    feed.publish(News("case", "nobody hears it"))


async def test_several_news_are_told_as_one() -> None:
    feed = Feed()
    async with feed.watch() as queue:
        feed.publish(News("case", "a"), News("device", "b"))
        feed.publish()
        await asyncio.sleep(0)
        assert drain(queue) == [News("case", "a"), News("device", "b")]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, QUEUE_LENGTH * 2), st.integers(0, QUEUE_LENGTH)), max_size=8))
def test_who_misses_something_is_told_so(rounds: list[tuple[int, int]]) -> None:
    """Whatever is published and read in turns: between two news that are not neighbours stands ``lagged``."""

    async def play() -> None:
        feed = Feed()
        heard: list[News] = []
        told = 0
        async with feed.watch() as queue:
            for publish, read in rounds:
                feed.publish(*(News("case", str(told + n)) for n in range(publish)))
                told += publish
                await asyncio.sleep(0)
                assert queue.qsize() <= QUEUE_LENGTH
                heard += [queue.get_nowait() for _ in range(min(read, queue.qsize()))]
            heard += drain(queue)
        expected = 0
        lagged = False
        for one in heard:
            if one.kind == "lagged":
                lagged = True
                continue
            assert int(one.id) == expected or (lagged and int(one.id) > expected)
            expected, lagged = int(one.id) + 1, False
        assert lagged or expected == told

    asyncio.run(play())


def test_a_watcher_whose_loop_has_ended_is_no_trouble() -> None:
    feed = Feed()
    loop = asyncio.new_event_loop()
    watching = feed.watch()
    loop.run_until_complete(watching.__aenter__())
    loop.close()
    feed.publish(News("case", "late"))
