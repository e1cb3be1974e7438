"""Who works on the queue of a Redis server, who of them is dead, and who holds which lock.

Of processes on its own host, a process knows by their locks on files (`huey.storage.liveness`);
of others by the signs of life that each gives to the server, on the server's clock.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from huey.exceptions import StorageError
from huey.storage.liveness import Host, Liveness, find_host
from huey.storage.server import LOST, Server, to_bytes, to_text
from huey.utils import make_id

logger = logging.getLogger("huey.storage")

LEASE = 30.0  # seconds without a sign of life after which other hosts take a process for dead
BEAT = 10.0  # seconds between two signs of life

_GRACE = 90.0  # seconds since its last sign of life for which a dead process is looked at again
_TIDY_AFTER = 3600.0  # seconds after which the files of the dead are removed

_NOBODY = b"\0"  # the beginning of no process's name


class Census(NamedTuple):
    """What the server knows of everybody, at one moment."""

    now: float
    signs: dict[bytes, bytes]  # processes, and when they last gave a sign of life
    slots: dict[bytes, bytes]  # workers, and their facts as JSON
    locks: dict[bytes, bytes]  # keys, and by whom they are held, see `_split`


class Members:
    """This process among the others that work on one queue.

    :param server: where the queue is.
    :param keys: the server's keys by what is kept there.
    :param kind: of queue, ``list`` or ``priority``.
    """

    def __init__(self, server: Server, keys: Mapping[str, bytes], kind: bytes) -> None:
        self.server = server
        self.keys = keys
        self.kind = kind
        self._lock = threading.RLock()
        self._host: Host | None = None
        self._liveness: Liveness | None = None
        self._me = b""
        self._facts: dict[str, bytes] = {}  # of this process's workers, by slot
        self._known: dict[str, bytes] = {}  # the names of those that the server knows
        self._ttls: dict[str, float] = {}  # of the locks that this process holds
        self._beating: threading.Thread | None = None
        self._stir = threading.Event()
        self._tidied = 0.0

    # -- this process -------------------------------------------------------------------------

    def worker(self, slot: str) -> bytes:
        """Return the name of one of this process's workers, which the server knows from now on."""
        return self._known.get(slot) or self._enter(slot, self._facts.get(slot, b""))

    def register(self, slot: str, facts: Mapping[str, Any]) -> None:
        """Tell the server what people want to know of a worker."""
        self._enter(slot, json.dumps(dict(facts)).encode())

    def unregister(self, slot: str) -> None:
        """Say that a worker has ended."""
        if slot in self._facts:
            self._enter(slot, b"")

    def forget(self) -> None:
        """Take it that the server may have forgotten this process's workers."""
        self._known.clear()

    def leave(self) -> None:
        """Say that the workers have ended; locks that are held are held on. Never fails."""
        with self._lock:
            slots = [self._name(slot) for slot in self._facts]
            self._facts.clear()
            self._known.clear()
        if not self._ttls:
            self._stop_beating()  # first, or a last sign of life could come after the leave
        try:
            if slots or (self._me and not self._ttls):
                self._take_leave(slots)
        except (*LOST, OSError, StorageError) as error:  # then the others will find out
            logger.debug("could not take leave: %s", error)
        if not self._ttls:
            self._be_nobody()

    def close(self) -> None:
        """Leave, and let go of locks too."""
        self._ttls.clear()
        self.leave()

    def inflight(self, worker: bytes) -> bytes:
        """Return the key of what a worker has claimed."""
        return b"%b:%b" % (self.keys["inflight"], worker)

    def _take_leave(self, workers: list[bytes]) -> None:
        keys = [self.keys[what] for what in ("alive", "slots", "done")]
        inflight = [self.inflight(worker) for worker in workers]
        held = b"1" if self._ttls else b""
        self.server.run_again("leave", [*keys, *inflight], [self._me, held, *workers])

    def _name(self, slot: str) -> bytes:
        return b"%b/%b" % (self._me, to_bytes(slot))

    def _enter(self, slot: str, facts: bytes) -> bytes:
        with self._lock:  # or the first claims of two workers would enter as two processes
            self._be_somebody()
            self._facts[slot] = facts
            name = self._name(slot)
            self._beat(name, facts)
            self._known[slot] = name
            self._start_beating()
        return name

    def _be_somebody(self) -> None:
        if self._me:
            return
        self._host = find_host()
        if self._host is None:  # all others have the lease alone to judge by
            self._me = to_bytes(f"{make_id()}/{make_id()}")
        else:
            self._liveness = Liveness(self._host.folder)
            self._me = to_bytes(f"{self._host.name}/{self._liveness.hold()}")

    def _be_nobody(self) -> None:
        with self._lock:
            if self._liveness is not None:
                self._liveness.leave()
            self._liveness, self._me = None, b""

    # -- signs of life ------------------------------------------------------------------------

    def _beat(self, *workers: bytes) -> None:
        keys = [self.keys["alive"], self.keys["slots"]]
        self.server.run_again("beat", keys, [self._me, *workers])

    def _start_beating(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(
                target=self._keep_beating, name="huey-beat", daemon=True
            )
            self._beating.start()

    def _stop_beating(self) -> None:
        with self._lock:
            thread, self._beating = self._beating, None
            self._stir.set()
        if thread is not None:
            thread.join(5)

    def _keep_beating(self) -> None:
        """Give a sign of life every now and then, until another thread is to do it, or none."""
        while True:
            self._stir.wait(self._pause())
            self._stir.clear()
            with self._lock:
                if self._beating is not threading.current_thread():
                    return
                workers = [part for s, f in self._facts.items() for part in (self._name(s), f)]
            try:
                self._beat(*workers)
            except Exception as error:
                logger.debug("no sign of life reached the server: %s", error)
            if self._liveness is not None:
                self._liveness.touch()

    def _pause(self) -> float:
        return min([BEAT, *(ttl / 3 for ttl in list(self._ttls.values()))])

    # -- everybody ----------------------------------------------------------------------------

    def workers(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the living workers with their facts."""
        census = self._census()
        return [
            (to_text(worker), json.loads(facts))
            for worker, facts in census.slots.items()
            if facts and not self._death(_process(worker), census)
        ]

    def slots(self) -> list[bytes]:
        """Return the names of all workers that may have claimed something."""
        return list(self._census().slots)

    def recover(self) -> int:
        """Put back what the dead have claimed and free their locks; return how many messages."""
        census = self._census()
        named = {*census.signs, *map(_process, census.slots)}
        named.update(_split(held)[0] for held in census.locks.values())
        dead = {process: how for process in named if (how := self._death(process, census))}
        count = sum(self._bury(process, how, census) for process, how in dead.items())
        if self._liveness is not None and time.monotonic() > self._tidied + _TIDY_AFTER:
            self._tidied = time.monotonic()
            self._liveness.tidy(_TIDY_AFTER)
        return count

    def _census(self) -> Census:
        keys = [self.keys[what] for what in ("alive", "slots", "locks")]
        now, *tables = self.server.run_again("census", keys)
        return Census(float(now), *(dict(_pairs(table)) for table in tables))

    def _death(self, process: bytes, census: Census) -> bytes:
        """Return how a process is known to be dead, nothing if it lives."""
        last = census.signs.get(process)
        if process == self._me:
            return b""
        if last is None:
            return b"lease"
        by_file = self._lives_here(process)
        if by_file is None:
            return b"lease" if census.now - float(last) > LEASE else b""
        return b"" if by_file else b"flock"

    def _lives_here(self, process: bytes) -> bool | None:
        """Say whether a process of this host lives; None if it is of another, or unknown here."""
        host = self._host = self._host or find_host()
        name, _, slot = to_text(process).partition("/")
        if host is None or host.name != name:
            return None
        liveness = Liveness(host.folder)
        return liveness.alive(slot) if liveness.known(slot) else None

    def _bury(self, process: bytes, how: bytes, census: Census) -> int:
        workers = sorted((w for w in census.slots if _process(w) == process), reverse=True)
        names = ("alive", "slots", "done", "locks", "deliveries", "queue", "wake")
        keys = [self.keys[what] for what in names]
        last = census.signs.get(process, b"")
        args = [self.kind, process, how, last, b"%g" % _GRACE, b"%g" % LEASE]
        inflight = [self.inflight(worker) for worker in workers]
        return int(self.server.run("bury", [*keys, *inflight], [*args, *workers]))

    # -- locks --------------------------------------------------------------------------------

    def acquire(self, key: str, holder: str, ttl: float | None) -> bool:
        """Take a lock unless a living process has it."""
        with self._lock:
            self._be_somebody()
            taken = self._acquire(to_bytes(key), to_bytes(holder), ttl)
            if taken:
                self._ttls[key] = LEASE if ttl is None else ttl
                self._start_beating()
                self._stir.set()  # often enough for this lock, from now on
        return taken

    def _acquire(self, key: bytes, holder: bytes, ttl: float | None) -> bool:
        value = b"%b\0%b\0%b" % (self._me, b"" if ttl is None else b"%g" % ttl, holder)
        neighbours = b"%b/" % self._me.partition(b"/")[0]
        dead = again = b""
        while True:
            args = [key, value, neighbours, dead, b"%g" % LEASE, self._me, again]
            try:
                found = self.server.run("acquire", [self.keys["locks"], self.keys["alive"]], args)
            except LOST:
                if again:
                    raise
                again = b"1"
                continue
            if isinstance(found, int):
                return found == 1
            lives = self._lives_here(found)
            if lives:
                return False
            if lives is None:  # by the lease, then
                neighbours = _NOBODY
            else:
                dead = found

    def release(self, key: str, holder: str | None) -> bool:
        """Free a lock; False if it was not held, or not by this holder."""
        of_one = b"" if holder is None else b"1"
        args = [to_bytes(key), of_one, to_bytes(holder or "")]
        freed = bool(self.server.run_again("free", [self.keys["locks"]], args))
        if freed:
            self._ttls.pop(key, None)
        return freed

    def locks(self) -> list[str]:
        """Return the keys of the locks that the living hold."""
        census = self._census()
        return [to_text(key) for key, held in census.locks.items() if self._is_held(held, census)]

    def _is_held(self, held: bytes, census: Census) -> bool:
        process, ttl = _split(held)
        if process == self._me:
            return True
        last = census.signs.get(process)
        lives = self._lives_here(process)
        if last is None or lives is not None:
            return bool(last and lives)
        return census.now - float(last) <= float(ttl or LEASE)


def _process(worker: bytes) -> bytes:
    """Return the process of a worker: all but the last part of ``host/process/slot``."""
    return b"/".join(worker.split(b"/", 2)[:2])


def _split(held: bytes) -> tuple[bytes, bytes]:
    """Return whose a lock is, and its ttl in seconds if it has its own."""
    process, ttl, _ = held.split(b"\0", 2)
    return process, ttl


def _pairs(flat: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
