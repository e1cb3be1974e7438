"""A task queue in the notebook: ``%load_ext huey_jupyter``, then ``%%huey_task`` over a cell."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huey_jupyter.session import Session

__all__ = ["Session", "current", "load_ipython_extension", "unload_ipython_extension"]

_current: Session | None = None
_last: Session | None = None  # its Huey goes on, so that task functions survive a reload


def __getattr__(name: str) -> Any:
    """Import `Session` when it is asked for: cards and views need no IPython."""
    if name == "Session":
        from huey_jupyter.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(ip: Any) -> None:
    """Make the session, unless there is one: a queue in memory and two workers in this kernel."""
    global _current, _last
    if _current is not None:
        return
    refusal = _refusal()
    if refusal:
        print(refusal, file=sys.stderr)
        return
    from huey_jupyter.magics import HueyMagics
    from huey_jupyter.session import Session

    session = Session(ip, None if _last is None else _last.huey)
    session.open()
    _current = _last = session
    ip.register_magics(HueyMagics(ip, session))
    taken = ip.user_ns.get("huey", session.huey) is not session.huey
    if not taken:
        ip.user_ns["huey"] = session.huey
    workers = len(session.consumer.workers)
    print(f"huey: {workers} workers wait in this kernel. The queue `huey` ends with the kernel.")
    if taken:
        print("The name `huey` was taken, so the queue is huey_jupyter.current().huey.")


def current() -> Session:
    """Return the session that ``%load_ext huey_jupyter`` made.

    :raises RuntimeError: if there is none.
    """
    if _current is None:
        raise RuntimeError("there is no session: run %load_ext huey_jupyter first")
    return _current


def unload_ipython_extension(ip: Any) -> None:
    """Stop the workers and give everything back."""
    global _current
    if _current is None:
        return
    session, _current = _current, None
    session.close()
    if ip.user_ns.get("huey") is session.huey:
        del ip.user_ns["huey"]
    for kind, name in (("cell", "huey_task"), ("line", "huey")):
        ip.magics_manager.magics[kind].pop(name, None)


def _refusal() -> str:
    """Return why the extension cannot work here, in a sentence; empty if it can."""
    versions = {d.name: d.version for d in _distributions("huey", "ipykernel")}
    if "huey" in versions:
        return (
            f"huey_jupyter brings its own package `huey`, and the distribution huey "
            f"{versions['huey']} is installed over it: pip uninstall huey, then "
            f"pip install --force-reinstall huey-jupyter."
        )
    if versions.get("ipykernel", "").startswith("7.0."):
        return (
            f"ipykernel {versions['ipykernel']} cannot show the output of background tasks: "
            f"pip install 'ipykernel>=7.1', then restart the kernel."
        )
    return ""


def _distributions(*names: str) -> list[importlib.metadata.Distribution]:
    found = []
    for name in names:
        try:
            found.append(importlib.metadata.distribution(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
