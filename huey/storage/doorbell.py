"""A bell that other processes can ring too, by datagrams to sockets in a folder that all know."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from huey.storage.wake import Bell, BellWaiter
from huey.utils import make_id

# A socket holds a handful of datagrams and drops what comes beyond: after so many in a row the
# listener takes it that some were dropped, and wakes everybody.
FLOOD: Final = 8

# Two changes of a folder within so many seconds may bear the same time: a kernel's tick, or the
# grain of a file system that knows whole seconds alone.
_TICK: Final = 0.1
_GRAIN: Final = 2.0

_LONGEST_PATH: Final = 100  # of a socket's address; the systems' limits are 104 and 108 bytes
_OPEN_FILES: Final = "/proc/self/fd"  # on Linux: a short way to a folder with a long name


class Listeners:
    """The sockets in a folder, on each of which a process listens for one topic."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._seen: tuple[float, list[str]] = (0.0, [])  # when it changed, and what was there

    def names(self) -> list[str]:
        """Return the sockets' names, of all topics; the folder is read if it has changed.

        Hidden files are other things that processes know each other by.
        """
        seen_at, names = self._seen
        try:
            changed = os.stat(self.folder).st_mtime
            if changed == seen_at:
                return names
            names = [name for name in os.listdir(self.folder) if not name.startswith(".")]
        except OSError:
            return []
        if time.time() - changed > (_TICK if changed % 1 else _GRAIN):
            self._seen = changed, names  # the next change will bear another time
        return names


class Doorbell(Bell):
    """A bell that other processes can ring.

    :param folder: where the sockets are; must exist.
    :param topic: beginning of the sockets' names; only doorbells of one topic hear each other.
    :param listeners: those in the folder, if several doorbells look at it.

    One thread listens for the whole process, and only while somebody waits. Where there are no
    such sockets (other systems, or a folder whose name is too long where there is no ``/proc``),
    nothing is heard from other processes and waits end by their timeout.
    """

    def __init__(self, folder: str, topic: str, listeners: Listeners | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.topic = topic
        self._listeners = listeners or Listeners(folder)
        self._pid = os.getpid()
        self._socket: socket.socket | None = None
        self._sender: socket.socket | None = None
        self._folder_fd: int | None = None
        self._name = ""
        self._unlink: Callable[[], object] = bool
        # Where the listener rests while nobody waits; put into by tasks, which may be interrupted.
        self._somebody: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._parked = False
        self._thread: threading.Thread | None = None
        self._short = len(os.fsencode(folder)) + 32 < _LONGEST_PATH
        self._works = hasattr(socket, "AF_UNIX") and (self._short or os.path.isdir(_OPEN_FILES))

    def admit(self, waiter: BellWaiter) -> None:
        if self._works:
            self._listen()
        super().admit(waiter)
        if self._parked:
            self._somebody.put(None)

    def tell(self, text: str = "", names: Sequence[str] | None = None) -> None:
        """Send a datagram to the listeners of all other processes.

        :param names: what `Listeners.names` has just returned, if several doorbells tell.
        """
        topic = self.topic
        for name in self._listeners.names() if names is None else names:
            if name.startswith(topic):
                self._send_others(name, text.encode())

    def _send_others(self, name: str, data: bytes) -> None:
        """Send a datagram to a listener, if that is not this one."""
        if self._pid != os.getpid():
            self._begin_anew()
        if self._works and name != self._name:
            self._send(name, data)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._pid != os.getpid():
            self._begin_anew()
        with self._lock:
            thread, self._thread = self._thread, None
            sock, self._socket = self._socket, None
        if sock is not None:
            self._somebody.put(None)
            self._send(self._name, b"")
            if thread is not None and thread is not threading.current_thread():
                thread.join(5)
            self._unlink()
            sock.close()
        self._close_ways_out()

    def heard(self, text: str) -> None:
        """Wake whom a datagram from another process is meant for."""
        if text:
            self.ring(text)
        else:
            self.ring_some("")

    def _address(self, name: str) -> str:
        """Return where a socket is; called with the lock held."""
        if self._short:
            return os.path.join(self.folder, name)
        if self._folder_fd is None:
            self._folder_fd = os.open(self.folder, os.O_RDONLY)
        return f"{_OPEN_FILES}/{self._folder_fd}/{name}"

    def _send(self, name: str, data: bytes) -> None:
        try:
            with self._lock:
                if self._sender is None:
                    self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._sender.setblocking(False)
                sender, address = self._sender, self._address(name)
            sender.sendto(data, address)
        except ConnectionRefusedError:  # its process died
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.folder, name))
        except OSError:  # gone in this moment, or full: then it has enough to wake up for
            pass

    def _close_ways_out(self) -> None:
        with self._lock:
            sender, self._sender = self._sender, None
            folder_fd, self._folder_fd = self._folder_fd, None
        if sender is not None:
            sender.close()
        if folder_fd is not None:
            os.close(folder_fd)

    def _listen(self) -> None:
        if self._pid != os.getpid():
            self._begin_anew()
        with self._lock:
            if self._thread is None:
                self._start_listener()

    def _start_listener(self) -> None:
        try:
            sock = self._bind()
            thread = threading.Thread(
                target=self._hear, args=(sock,), name="huey-doorbell", daemon=True
            )
            self._socket = sock
            thread.start()
        except (OSError, RuntimeError):  # no such sockets here, or no threads
            self._works = False
        else:
            self._thread = thread

    def _bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"{self.topic}.{os.getpid()}.{make_id()[:8]}"
        try:
            sock.bind(self._address(name))
        except OSError:
            sock.close()
            raise
        self._name = name
        path = os.path.join(self.folder, name)
        self._unlink = weakref.finalize(self, _unlink_own, path, os.getpid())
        return sock

    def _begin_anew(self) -> None:
        """Forget what a fork has copied: the parent's listener, waiters and locks."""
        sock, sender, folder_fd = self._socket, self._sender, self._folder_fd
        Doorbell.__init__(self, self.folder, self.topic, self._listeners)
        for copy in (sock, sender):
            if copy is not None:
                copy.close()
        if folder_fd is not None:
            os.close(folder_fd)

    def _hear(self, sock: socket.socket) -> None:
        """Hand on what comes in, until `close`."""
        in_a_row = 0
        while self._socket is sock:
            if not self._waiters:
                self._park(sock)
                continue
            try:
                data = sock.recv(256, socket.MSG_DONTWAIT)
                in_a_row += 1
            except BlockingIOError:
                in_a_row = 0
                data = sock.recv(256)
            if in_a_row >= FLOOD:
                self.ring_all()
                in_a_row = 0
            else:
                self.heard(data.decode())

    def _park(self, sock: socket.socket) -> None:
        """Rest until somebody waits, or `close`."""
        self._parked = True
        while not self._waiters and self._socket is sock:
            self._somebody.get()
        self._parked = False


def _unlink_own(path: str, pid: int) -> None:
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            os.unlink(path)
