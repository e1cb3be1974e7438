"""What lies in a storage though no task needs it any more: old code, and names never fetched."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from huey.storage import BaseStorage
from huey_jupyter.shipping import CODE
from huey_jupyter.work import MADE

_NAMED: Final = re.compile(rb"#([0-9a-f]{16})(?![0-9a-f])")  # how messages and code name code


def sweep(storage: BaseStorage, wanted: Container[str]) -> int:
    """Remove the code that no message names, and what cells made whose tasks nobody waits for.

    Code is kept that a waiting, scheduled or running task needs, or a message set aside or a
    value, by itself or through other code. What is enqueued meanwhile gets its code back.

    :param wanted: ids of tasks.
    :returns: how many bytes there were.
    """
    if storage.keeps_objects:
        return 0
    items = {key: data for key, data in storage.result_items().items() if isinstance(data, bytes)}
    code = {key.removeprefix(CODE): data for key, data in items.items() if key.startswith(CODE)}
    values = [data for key, data in items.items() if not key.startswith(CODE)]
    needed = _needed(code, [*_messages(storage), *values])
    old = [f"{CODE}{name}" for name in code.keys() - needed]
    old += [key for key in items if _is_made(key) and key.removeprefix(MADE) not in wanted]
    for key in old:
        storage.pop_data(key)
    back = _needed(code, _messages(storage)) - needed
    for name in back:
        storage.put_data(f"{CODE}{name}", code[name])
    return sum(len(items[key]) for key in old) - sum(len(code[name]) for name in back)


def _messages(storage: BaseStorage) -> Iterator[bytes]:
    """Yield all messages; the queue last, as those that are run again come back there."""
    found: list[Any] = [data for _, data in storage.claims()]
    found += [aside.data for aside in storage.aside_items()]
    found += [*storage.scheduled_items(), *storage.enqueued_items()]
    found += [data for _, data in storage.claims()]  # what was claimed in this moment
    yield from (data for data in found if isinstance(data, bytes))


def _needed(code: dict[str, bytes], roots: Iterable[bytes]) -> set[str]:
    """Return the names of the code that some bytes need, directly or by way of other code."""
    needed: set[str] = set()
    ahead = list(roots)
    while ahead:
        named = {name.decode() for name in _NAMED.findall(ahead.pop())}
        new = (named & code.keys()) - needed
        needed |= new
        ahead += [code[name] for name in new]
    return needed


def _is_made(key: str) -> bool:
    return key.startswith(MADE)
