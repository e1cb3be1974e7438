"""A way to a Redis server that loses answers: the command arrives and is carried out."""

import contextlib
import socket
import threading


class LossyLine:
    """A socket beside a server's own that hands everything on, until told to lose an answer.

    :param server: a `RedisServer`.
    """

    def __init__(self, server):
        self.server = server
        self.path = server.folder / "lossy.sock"
        self.lost = 0
        self._word, self._after, self._times = b"", 0, 0
        self._open = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self):
        return f"unix://{self.path}"

    def lose_answer_to(self, word, after=0, times=1):
        """Lose the answer to the next command that holds a word, and the connection with it.

        :param after: how many such commands are answered before.
        :param times: how many answers to lose, one after the other.
        """
        self._word, self._after, self._times = word, after, times

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()
        self.path.unlink()

    def _accept(self):
        """Take connections until `close`."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self.server.socket))
                self._open += [near, far]
                doomed = threading.Event()
                for function in (self._there, self._back):
                    thread = threading.Thread(target=function, args=(near, far, doomed))
                    self._threads.append(thread)
                    thread.start()

    def _there(self, near, far, doomed):
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 20):
                if self._times and self._word in data and not self._is_spared():
                    self._times -= 1
                    doomed.set()
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _is_spared(self):
        self._after -= 1
        return self._after >= 0

    def _back(self, near, far, doomed):
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 20):
                if doomed.is_set():
                    self.lost += 1
                    break
                near.sendall(data)
        for each in (near, far):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
