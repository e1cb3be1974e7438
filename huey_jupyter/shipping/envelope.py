"""What stands before bytes that hold code: which Python can read them."""

from __future__ import annotations

import json
import sys
from typing import Final

from huey.exceptions import UnreadableMessage

PYTHON = "{}.{}".format(*sys.version_info[:2])
"""Which Python this is; code of another one may end the process that unpickles it."""

_MARK: Final = b"\0by value "  # no pickle and no compressed data begins so


def seal(data: bytes, task_id: str = "") -> bytes:
    """Return bytes in an envelope that says from which Python they are.

    :param task_id: of the task whose message this is.
    """
    return b"%b%b\n%b" % (_MARK, json.dumps([PYTHON, task_id]).encode(), data)


def unseal(data: bytes, *, to_worker: bool = False) -> bytes:
    """Return bytes without their envelope, if they have one.

    :param to_worker: these are on the way to a worker, as every message of a task is.
    :raises UnreadableMessage: if they are from another Python.
    """
    if not data.startswith(_MARK):
        return data
    head, _, rest = data[len(_MARK) :].partition(b"\n")
    python, task_id = json.loads(head)
    if python != PYTHON:
        worker = python if to_worker or task_id else PYTHON
        raise UnreadableMessage(wrong_python(python, worker), task_id or None)
    return rest


def task_in(data: bytes) -> str:
    """Return the id of the task that an envelope names, empty if there is none."""
    if not data.startswith(_MARK):
        return ""
    task_id: str = json.loads(data[len(_MARK) :].partition(b"\n")[0])[1]
    return task_id


def wrong_python(python: str, worker: str) -> str:
    """Say why what another Python has sent cannot be read here, and what to do.

    :param worker: which Python the worker must be, that of the notebook.
    """
    return (
        f"it was sent from Python {python}, and this is Python {PYTHON}, which cannot read its "
        f"code: start the worker with python{worker} -m huey_jupyter worker"
    )
