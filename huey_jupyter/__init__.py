"""A task queue in the notebook: ``%load_ext huey_jupyter``, then ``%%huey_task`` over a cell."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huey_jupyter.completion import Completion
    from huey_jupyter.session import Session

__all__ = ["Session", "current", "load_ipython_extension", "unload_ipython_extension"]

_completion: Completion | None = None
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
    global _completion, _current, _last
    if _current is not None:
        return
    refusal = _refusal()
    if refusal:
        print(refusal, file=sys.stderr)
        return
    from huey_jupyter.completion import Completion
    from huey_jupyter.magics import HueyMagics
    from huey_jupyter.remembered import notebook_name
    from huey_jupyter.session import Session

    huey = None if _last is None else _reachable(_last.huey)
    session = Session(ip, huey, name=notebook_name())
    session.open()
    _current = _last = session
    ip.register_magics(HueyMagics(ip, session))
    _completion = Completion(ip, session)
    _completion.start()
    taken = ip.user_ns.get("huey", session.huey) is not session.huey
    if not taken:
        ip.user_ns["huey"] = session.huey
        session.named = "huey"
    print(_greeting(session))
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
    global _completion, _current
    if _current is None:
        return
    from huey_jupyter.session import refuse_in_task

    refuse_in_task("unload the extension that runs it")
    session, _current = _current, None
    session.close()
    if _completion is not None:
        _completion.stop()
        _completion = None
    if ip.user_ns.get("huey") is session.huey:
        del ip.user_ns["huey"]
    for kind, name in (("cell", "huey_task"), ("cell", "huey_map"), ("line", "huey")):
        ip.magics_manager.magics[kind].pop(name, None)


def _reachable(huey: Any) -> Any:
    """Return the Huey of an earlier session, in memory if its place cannot be reached."""
    try:
        huey.storage.last_event()
    except Exception as error:
        if not huey.storage.is_outage(error):
            raise
        print(f"{huey.place} cannot be reached: the queue is in memory now", file=sys.stderr)
        huey.move_to("memory", leave=True)
    return huey


def _greeting(session: Session) -> str:
    """Return what there is, in a line, and where the notebook left a queue behind."""
    workers = f"{session.workers.count} workers wait in this kernel"
    if session.huey.durable:
        return f"huey: {workers}. The queue `huey` is in {session.huey.place}."
    line = f"huey: {workers}. The queue `huey` ends with the kernel."
    from huey_jupyter.backends import masked

    last = session.places.remembered.last_place()
    if last:
        line += f"\nThis notebook has used {masked(last)} before: %huey reconnect"
    return line


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
