"""What there is around a session: versions, front end, disk and servers, as plain facts."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from huey.alone import can_wait, is_alone
from huey_jupyter.export import url_of
from huey_jupyter.export.module_huey import without_password

DISTRIBUTIONS: Final = (
    *("anywidget", "cloudpickle", "huey", "huey-jupyter", "ipykernel", "ipython", "ipywidgets"),
    *("jupyterlab", "jupyterlab-widgets", "matplotlib", "notebook", "redis", "widgetsnbextension"),
)
LOCALHOST: Final = "redis://127.0.0.1:6379/0"
SOON: Final = 1.0  # seconds in which a server has to answer
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - looked at, nothing is put there


@dataclass(frozen=True)
class Answer:
    """How a server, or a file, has answered.

    :param where: for people, with no password.
    :param version: of the server.
    :param error: what went wrong, empty if nothing.
    """

    where: str
    version: str = ""
    error: str = ""


@dataclass(frozen=True)
class Machine:
    """The facts that a diagnosis is made of.

    :param versions: of the distributions that are installed.
    :param place: where the code runs: ``terminal``, ``python`` or ``kernel``.
    :param alone: whether no thread can be started, as in a browser.
    :param can_wait: whether a plain function can wait there while others go on.
    :param subshells: whether this kernel can answer while a cell runs.
    :param lab_manager: whether JupyterLab's widget manager lies beside this Python.
    :param backend: of matplotlib, empty if it is not loaded.
    :param file_system: its kind where the working folder is, empty if unknown.
    :param free: bytes on the disk there.
    :param shared_memory: whether processes can share locks, None if that needs no folder here.
    :param url: where the session's queue is, with no password; empty if there is no session.
    :param queue: how the session's storage answered.
    :param waiting: how many tasks wait in the session's queue to be run.
    :param workers: how many there are for them, of the session or of somebody else; None if
        that is not known.
    :param failure: why the session's workers have stopped by themselves.
    :param redis: how the session's Redis server answered, else the one of this machine.
    :param lag: seconds that a thread of this kernel waits for its turn.
    """

    python: tuple[int, int, int] = (3, 11, 0)
    versions: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    place: str = "kernel"
    alone: bool = False
    can_wait: bool = True
    subshells: bool = True
    lab_manager: bool = True
    backend: str = ""
    folder: str = "."
    writable: bool = True
    file_system: str = ""
    free: int = 10**12
    can_fork: bool = True
    shared_memory: bool | None = None
    url: str = ""
    queue: Answer | None = None
    waiting: int = 0
    workers: int | None = None
    failure: str = ""
    redis: Answer | None = None
    lag: float | None = None


def look_around(session: Any = None, ip: Any = None) -> Machine:
    """Return the facts of this process; a server gets a second to answer.

    :param session: with a ``huey``, an ``ip`` and a ``heartbeat``; None if there is none.
    :param ip: the shell, by default the session's.
    """
    ip = ip or getattr(session, "ip", None)
    kernel = getattr(ip, "kernel", None)
    url = url_of(session.huey) if session is not None else ""
    folder = Path.cwd()
    waiting, workers, failure = _ask_workers(session)
    return Machine(
        python=sys.version_info[:3],
        versions=_versions(),
        environ=dict(os.environ),
        place="kernel" if kernel is not None else "python" if ip is None else "terminal",
        alone=is_alone(),
        can_wait=not is_alone() or can_wait(),
        subshells=bool(getattr(kernel, "_supports_kernel_subshells", False)),
        lab_manager=_has_lab_manager(),
        backend=_backend(),
        folder=str(folder),
        writable=os.access(folder, os.W_OK),
        file_system=file_system(folder),
        free=shutil.disk_usage(folder).free,
        can_fork=hasattr(os, "fork"),
        shared_memory=os.access(SHARED_MEMORY, os.W_OK) if SHARED_MEMORY.is_dir() else None,
        url=without_password(url)[0],
        queue=_ask_queue(session.huey, url) if session is not None else None,
        waiting=waiting,
        workers=workers,
        failure=failure,
        redis=None if is_alone() else ask_redis(url if _is_redis(url) else LOCALHOST),
        lag=_lag(session),
    )


def ask_redis(url: str) -> Answer:
    """Return how a Redis server answers; no password is in it."""
    where = without_password(url)[0]
    try:
        import redis
    except ImportError:
        return Answer(where, error="the package redis is not installed")
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=SOON, socket_timeout=SOON) as client:
            return Answer(where, version=str(client.info("server")["redis_version"]))
    except redis.exceptions.AuthenticationError:
        return Answer(where, error="it wants another password")
    except redis.exceptions.TimeoutError:
        return Answer(where, error=f"it does not answer within {SOON:.0f} s")
    except (redis.RedisError, OSError, ValueError) as error:
        return Answer(where, error=f"it cannot be reached ({type(error).__name__})")


def file_system(folder: Path, mounts: str = "/proc/mounts") -> str:
    """Return the kind of file system that a folder is on, such as ``ext4``; empty if unknown."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    places = [(Path(words[1].replace("\\040", " ")), words[2]) for words in map(str.split, lines)]
    inside = [found for found in places if folder.is_relative_to(found[0])]
    return max(inside, key=lambda found: len(found[0].parts), default=(folder, ""))[1]


def _versions() -> dict[str, str]:
    found = {}
    for name in DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _has_lab_manager() -> bool:
    where = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "@jupyter-widgets"
    return (where / "jupyterlab-manager").is_dir()


def _backend() -> str:
    """Return matplotlib's backend without choosing one."""
    matplotlib = sys.modules.get("matplotlib")
    chosen = matplotlib and dict.__getitem__(matplotlib.rcParams, "backend")
    return chosen if isinstance(chosen, str) else ""


def _is_redis(url: str) -> bool:
    return url.partition(":")[0] in ("redis", "rediss", "unix")


def _ask_queue(huey: Any, url: str) -> Answer | None:
    """Return whether the queue's file can be read; a server is asked by `ask_redis`."""
    kind, _, path = url.partition(":")
    if kind == "sqlite":
        return _ask_sqlite(Path(path))
    if kind == "file":
        return Answer(path, error="" if os.access(path, os.W_OK) else "it cannot be written")
    return None


def _ask_workers(session: Any) -> tuple[int, int | None, str]:
    """Return how many tasks wait, how many workers there are, and why those of here are not."""
    own = getattr(session, "workers", None)
    if own is None:
        return 0, None, ""
    failure = str(own.failure)
    try:
        waiting, workers = session.huey.pending_count(), len(session.huey.workers())
    except Exception:  # said where the queue itself is asked
        return 0, None, failure
    return waiting, max(workers, own.count) if own.running else workers, failure


def _ask_sqlite(file: Path) -> Answer:
    if not file.exists():
        writable = os.access(file.parent, os.W_OK)
        return Answer(str(file), error="" if writable else f"{file.parent} cannot be written")
    if not os.access(file, os.W_OK):
        return Answer(str(file), error="it cannot be written")
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as opened:
            opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return Answer(str(file), error=str(error))
    return Answer(str(file))


def _lag(session: Any) -> float | None:
    heartbeat = getattr(session, "heartbeat", None)
    return None if heartbeat is None else float(heartbeat.lag)
