"""Who starts child processes, replaces those that die, and tells them when to end."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
import time
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NoReturn

from huey.drivers import child
from huey.drivers.base import Driver
from huey.drivers.kids import Kid, Process, can_fork, fork, spawn
from huey.drivers.noted import Noted
from huey.drivers.page import Page
from huey.drivers.thread import free_place
from huey.exceptions import StorageError

if TYPE_CHECKING:
    from huey.consumer import Consumer

logger = logging.getLogger("huey.consumer")

HALF_DEAD = 1.0  # seconds that a process which hears no more has to end by itself
ANSWER = 2.0  # seconds to wait for the answers to a question
LAST_WORD = 3.0  # seconds more than its children that a supervisor has to end
YOUNG = 1.0  # a process that died before this age (seconds) is not replaced at once
STUBBORN = 5.5  # seconds that a cancelled task has to end before its process does
LONGEST_PAUSE = 1.0  # seconds before even that is replaced


class Supervisor(Driver):
    """Starts the processes, replaces those that die, and tells them when to end.

    It has no thread, so that to fork is safe at any time.

    :param consumer: whose workers.
    :param own: channels that are not its children's business.
    """

    def __init__(self, consumer: Consumer, *own: Connection) -> None:
        super().__init__(consumer)
        self._own = own
        self._kids: list[Kid] = []
        self._births: list[tuple[float, int]] = []  # when, and for which place
        self._early_deaths: dict[int, int] = {}
        self._finishing = False
        self._closing = False
        self._answers: dict[str, list[bool]] = {}
        self.forks = can_fork()

    def start(self) -> None:
        if self.forks:
            self.huey.storage.close()  # what is open here would be open in every child
        for place in (child.SCHEDULER, *self.consumer.places):
            self._bear(place)

    def watch(self, noted: Noted) -> None:
        self.turn(1.0, noted.socket)

    def finish(self) -> None:
        self._finishing = True
        self._tell_workers(child.FINISH)

    def interrupt(self) -> None:
        self._tell_workers(child.INTERRUPT)

    def join(self, timeout: float | None) -> bool:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while any(kid.is_worker for kid in self._kids):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.turn(min(left, 0.2))
        return True

    def close(self) -> None:
        self._closing = True
        for kid in self._kids:
            kid.say(child.INTERRUPT)
        deadline = time.monotonic() + LAST_WORD
        while self._kids and time.monotonic() < deadline:
            self.turn(0.1)
        for kid in self._kids:
            kid.kill()
        while self._kids:
            self.turn(0.1)

    def cancel(self, task_id: str) -> bool:
        answers = self._answers[task_id] = []
        asked = self._ask_to_cancel(task_id)
        deadline = time.monotonic() + ANSWER
        while len(answers) < len(asked) and time.monotonic() < deadline:
            if any(answers) or any(kid.shows(task_id) for kid in asked):
                break
            self.turn(0.05)
        del self._answers[task_id]
        return any(answers) or any(kid.shows(task_id) for kid in asked)

    def kill(self, task_id: str) -> bool:
        running = [kid for kid in self._workers if kid.shows(task_id)]
        for kid in running:
            self._condemn(kid, task_id)
        return bool(running)

    def pause(self) -> None:
        self._tell_workers(child.PAUSE)

    def resume(self) -> None:
        self._tell_workers(child.RESUME)

    def resize(self, count: int) -> None:
        places, kids = self.consumer.places, {kid.place: kid for kid in self._workers}
        busy = {place for place, kid in kids.items() if kid.is_busy}
        staying = [place for place in places if not (place in kids and kids[place].leaving)]
        staying.sort(key=lambda place: (place not in busy, place))
        for place in staying[count:]:
            self._let_go(place, kids.get(place))
        for _ in range(count - len(staying)):
            place = free_place(places)
            self.consumer.hire(place)
            self._births.append((0.0, place))

    @property
    def _workers(self) -> list[Kid]:
        return [kid for kid in self._kids if kid.is_worker]

    def _ask_to_cancel(self, task_id: str) -> list[Kid]:
        """Ask whoever runs a task to end it; return who that may be.

        Who shows nothing may be about to run it. Who shows another task will first see that this
        one is revoked.
        """
        able = [kid for kid in self._workers if not kid.is_deaf]
        asked = [kid for kid in able if kid.shows(task_id)]
        asked = asked or [kid for kid in able if not kid.is_busy]
        for kid in asked:
            kid.say(child.CANCEL, task_id.encode())
            kid.doom(task_id, STUBBORN)
        return asked

    def _condemn(self, kid: Kid, task_id: str) -> None:
        """End a process, with the task that it runs."""
        name = self.consumer.places[kid.place].name
        logger.warning("%s (process %s) is killed with task %s", name, kid.process.pid, task_id)
        kid.condemned = True
        kid.kill()

    def _let_go(self, place: int, kid: Kid | None) -> None:
        """Have a worker leave when it has ended what it runs."""
        if kid is None:  # its process is still to be born
            self._births = [birth for birth in self._births if birth[1] != place]
            del self.consumer.places[place]
        else:
            kid.leaving = True
            kid.say(child.FINISH)

    def turn(self, timeout: float, *also: Any) -> None:
        """Wait for something to happen, to the children or in ``also``, and see to it."""
        channels = {kid.channel: kid for kid in self._kids if not kid.is_deaf}
        for ready in wait([*channels, *also], self._pause(timeout)):
            if ready in channels:
                self._hear(channels[ready])
        for kid in list(self._kids):
            if kid.doomsday <= time.monotonic():
                self._judge(kid)
            self._bury(kid)
        self._replace()

    def _pause(self, timeout: float) -> float:
        if any(kid.is_deaf for kid in self._kids):
            return min(timeout, 0.01)
        moments = [when for when, _ in self._births] + [kid.doomsday for kid in self._kids]
        return max(0.0, min([timeout, *(when - time.monotonic() for when in moments)]))

    def _judge(self, kid: Kid) -> None:
        """Kill a process whose task was cancelled long ago and runs still."""
        task_id, kid.doomed, kid.doomsday = kid.doomed, "", math.inf
        if kid.shows(task_id):
            self._condemn(kid, task_id)

    def _tell_workers(self, *words: bytes) -> None:
        for kid in self._workers:
            kid.say(*words)

    def _hear(self, kid: Kid) -> None:
        word, _, what = kid.hear().partition(b" ")
        if word == child.FAILED:
            self.consumer.fail(StorageError(what.decode()))
        elif word == child.CANCEL:  # a task that cancels another
            self._ask_to_cancel(what.decode())
        elif word:
            self._answers.get(what.decode(), []).append(word == child.RUNNING)

    def _bury(self, kid: Kid) -> None:
        """Take note of a child's death, and of who has to take its place when."""
        code = kid.process.exit_code()
        if code is None:
            if kid.deaf_since + HALF_DEAD < time.monotonic():
                kid.kill()
            return
        self._kids.remove(kid)
        kid.channel.close()
        if self._closing:
            return
        for one in self._kids:
            if not one.is_worker:
                one.say(child.RECOVER)
        if self._finishing and kid.is_worker:
            return
        self._log_death(kid, code)
        if kid.leaving:
            del self.consumer.places[kid.place]
        elif code == 0 or kid.condemned:
            self._births.append((0.0, kid.place))
        elif self.consumer.options.check_worker_health:
            self._births.append((time.monotonic() + self._mourning(kid), kid.place))

    def _log_death(self, kid: Kid, code: int) -> None:
        who = self.consumer.places[kid.place].name if kid.is_worker else "the scheduler"
        if code == 0 or kid.condemned:
            logger.info("%s (process %s) has ended", who, kid.process.pid)
        else:
            how = f"was killed by signal {-code}" if code < 0 else f"died with exit code {code}"
            logger.error("%s (process %s) %s", who, kid.process.pid, how)

    def _mourning(self, kid: Kid) -> float:
        """Return how long to wait before a child is replaced: longer the more die young."""
        if time.monotonic() - kid.born > YOUNG:
            self._early_deaths.pop(kid.place, None)
            return 0.0
        deaths = self._early_deaths[kid.place] = self._early_deaths.get(kid.place, 0) + 1
        return min(0.05 * 2.0 ** min(deaths, 10), LONGEST_PAUSE)

    def _replace(self) -> None:
        now = time.monotonic()
        due = [place for when, place in self._births if when <= now]
        self._births = [birth for birth in self._births if birth[0] > now]
        for place in due:
            if not self._closing and not (self._finishing and place != child.SCHEDULER):
                self._bear(place)

    def _bear(self, place: int) -> None:
        """Start a child."""
        ours, theirs = multiprocessing.Pipe()
        page = Page() if self.forks and place != child.SCHEDULER else None
        if self.forks:
            process: Process = fork(partial(self._be, place, theirs, os.getpid(), page))
        else:
            process = spawn(self.consumer.options, place, theirs)
        theirs.close()
        self._kids.append(Kid(place, process, ours, page))
        if self.consumer.paused:
            self._kids[-1].say(child.PAUSE)
        logger.debug("process %s started for place %s", process.pid, place)

    def _be(self, place: int, channel: Connection, parent: int, page: Page | None) -> NoReturn:
        for other in (*self._own, *(kid.channel for kid in self._kids)):
            other.close()  # or one end would seem to live as long as this process
        child.be(self.consumer, place, channel, parent, page)


class Attended(Supervisor):
    """A supervisor with a thread of its own; its children are spawned, to which threads do no harm.

    They are all made in that thread: one that is made in another would end with that one.
    """

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._attend, name="huey supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        with self._lock:
            super().finish()

    def interrupt(self) -> None:
        with self._lock:
            super().interrupt()

    def cancel(self, task_id: str) -> bool:
        with self._lock:
            return super().cancel(task_id)

    def kill(self, task_id: str) -> bool:
        with self._lock:
            return super().kill(task_id)

    def pause(self) -> None:
        with self._lock:
            super().pause()

    def resume(self) -> None:
        with self._lock:
            super().resume()

    def resize(self, count: int) -> None:
        with self._lock:
            super().resize(count)

    def close(self) -> None:
        self._closing = True
        self._thread.join()

    def turn(self, timeout: float, *also: Any) -> None:
        with self._lock:
            super().turn(min(timeout, 0.05), *also)
        time.sleep(0.01)  # the other thread's turn

    def _attend(self) -> None:
        """Supervise until `close`."""
        super().start()
        while not self._closing:
            self.turn(1.0)
        super().close()
