"""The notebook's one Huey, its workers and its board."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from huey.alone import is_alone, sleep
from huey.exceptions import ConfigurationError, HueyException
from huey.results import Result, ResultGroup
from huey.tasks import current_run
from huey_jupyter import doctor, hints, places
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.capture import Capture
from huey_jupyter.cards import Board, Card, Changes, State
from huey_jupyter.control import Control, Errands
from huey_jupyter.display import Displays
from huey_jupyter.display.outputs import DashboardView
from huey_jupyter.export import export
from huey_jupyter.handing import Handing, Source
from huey_jupyter.lag import Heartbeat
from huey_jupyter.leftovers import sweep
from huey_jupyter.outside import Outside
from huey_jupyter.overview import Facts, Overview, overview
from huey_jupyter.places import Places
from huey_jupyter.reprs import Reprs, Storyteller
from huey_jupyter.reruns import Reruns
from huey_jupyter.settings import Settings
from huey_jupyter.teaching.lesson import Lesson
from huey_jupyter.views import card_text, group_text
from huey_jupyter.watch import Watcher
from huey_jupyter.workers import Threads

logger = logging.getLogger("huey.jupyter")

EXECUTOR_LOG: Final = logging.getLogger("huey.executor")
TOLD_ON_CARDS: Final = logging.CRITICAL + 1  # what the executor logs is on the cards

WORKERS: Final = 2
# A wait in the foreground looks this often (seconds), so that an interrupt reaches it.
TICK: Final = 0.05
ENDED: Final = ("complete", "error", "canceled", "revoked", "expired", "locked", "lost")
MOST_ITEMS: Final = 100_000  # tasks that one map may make


class Session:
    """What ``%load_ext huey_jupyter`` makes: a queue, and workers for it.

    At first the queue is in memory and the workers are threads of this kernel. Every magic is one
    call of a method here.

    :param ip: the shell.
    :param huey: a queue to go on with, whose task functions are known; by default new.
    :param workers: how many tasks run at once.
    :param name: the queue's name, by which it is found again in a file or on a server.
    """

    def __init__(
        self,
        ip: Any,
        huey: NotebookHuey | None = None,
        workers: int = WORKERS,
        name: str = "notebook",
    ) -> None:
        self.ip = ip
        self.huey = huey or NotebookHuey(name)
        self.lock = threading.RLock()
        self.named: str | None = None  # what the notebook calls the Huey
        self.board = Board()
        self.settings = Settings()
        self._elsewhere = 0  # workers that others have at this queue
        self._living: frozenset[int] | None = None  # processes of workers, where that is known
        self.errands = Errands(self._carry_out)
        self.handing = Handing(ip, self.huey, self.board, self.lock, self._catch_up)
        self.control = Control(self.huey, self.board, self.lock, self.handing)
        self.displays = Displays(
            ip, self.board, self.lock, self.errands.ask, verbs=self.control.verbs
        )
        self.watcher = Watcher(
            self.huey, self.board, self.lock, self._publish, self.handing.kept_back
        )
        self.capture = Capture(ip)
        self.heartbeat = Heartbeat()
        self.pulse = hints.Pulse(self._refresh_hints)
        self.reprs = Reprs(ip, self.show, self.describe)
        self._storyteller = Storyteller(ip)
        self._log_level: int | None = None
        self.lesson = Lesson(self.huey)
        self.places = Places(self)
        self.reruns = Reruns(self)
        self._hire(Threads(self.huey, workers))

    # -- beginning and end ------------------------------------------------------------------------

    def open(self) -> None:
        """Start the workers and begin to show what they do."""
        self.capture.start()
        self._log_level = EXECUTOR_LOG.level
        EXECUTOR_LOG.setLevel(TOLD_ON_CARDS)
        self.reprs.start()
        self.huey.post_execute("huey_jupyter")(self._storyteller)
        self.ip.events.register("pre_run_cell", self._before_cell)
        self.ip.events.register("post_run_cell", self._after_cell)
        self.watcher.start()
        self.heartbeat.start()
        self.pulse.start()
        self.errands.start()
        self.workers.start()

    def close(self) -> None:
        """Interrupt what runs, and give back everything that `open` took.

        Workers that were detached go on.
        """
        if isinstance(self.workers, Outside):
            self.workers.let_go()
        else:
            self.workers.stop()
        self.errands.stop()
        self.pulse.stop()
        self.heartbeat.stop()
        self.watcher.stop()
        if not self.huey.durable:
            self.places.lose("the extension was unloaded, and the queue in memory ended with it")
        self.displays.close()
        self.lesson.end()
        self.ip.events.unregister("post_run_cell", self._after_cell)
        self.ip.events.unregister("pre_run_cell", self._before_cell)
        self.huey.unregister_post_execute("huey_jupyter")
        self.reprs.stop()
        if self._log_level is not None and EXECUTOR_LOG.level == TOLD_ON_CARDS:
            EXECUTOR_LOG.setLevel(self._log_level)  # nobody has set another one meanwhile
        self.capture.stop()
        if self.huey.durable and not self.huey.is_borrowed:
            with self._past_outages():
                self.huey.storage.close()  # it opens again for whoever reads a result still

    # -- handing over -----------------------------------------------------------------------------

    def run_cell(self, source: str, name: str = "", *, line: str = "", **options: Any) -> Any:
        """Hand a cell's source to the queue and show its card; return its result.

        The cell runs on a snapshot of the notebook's names; its last expression is the value.

        :param name: what the card calls it; by default ``cell_`` and its number.
        :param line: the cell's first line, which counts in line numbers.
        :param options: those of `CellOptions`.
        :raises SyntaxError: if the source is not Python.
        :raises ValueError: if an option cannot be what it is.
        :returns: a `Result`; with ``every`` the name of the periodic task.
        """
        chosen = self.settings.options(**options)
        work = Source(source, line, name or f"cell_{self._number}", chosen)
        if chosen.process:
            self._need_processes()
        if chosen.every:
            return self._repeat(work)
        result = self.reruns.hand_over(work)
        if not chosen.quiet:
            self.show(result)
        if chosen.notify:
            self.displays.expect(result.id)
        return result

    def map_cell(
        self,
        source: str,
        names: str,
        items: Iterable[Any],
        name: str = "",
        *,
        line: str = "",
        **options: Any,
    ) -> ResultGroup[Any]:
        """Hand a cell to the queue once for each item, and show the tasks as one grid.

        Nothing that the cells bind comes back; their last expressions are the values.

        :param names: what each item is bound to, as in ``for x, y in items``.

        The other parameters are those of `run_cell`.
        """
        chosen = self.settings.options(**options)
        found = list(islice(items, MOST_ITEMS + 1))
        if len(found) > MOST_ITEMS:
            raise ValueError(f"more than {MOST_ITEMS:,} items: hand them over in parts")
        if chosen.process:
            self._need_processes()
        work = Source(source, line, name or f"cell_{self._number}", chosen)
        results = self.handing.hand_over_each(work, names, found)
        for result in results:
            self.control.remember(result)
        if not found:
            self.displays.say("no items: there is nothing to do")
        elif not chosen.quiet:
            self.show(results)
        if chosen.notify and found:
            with self.lock:
                key = self._key(results)
            self.displays.expect(key)
        return results

    # -- showing ----------------------------------------------------------------------------------

    def show(self, result: Result[Any] | ResultGroup[Any]) -> None:
        """Show the card of a result, or the grid of a group, under the running cell.

        A result of another Huey than the session's is shown as plain text.
        """
        if not self._is_ours(result) or (isinstance(result, ResultGroup) and not len(result)):
            self.displays.say(repr(result))
            return
        self.watcher.catch_up()
        with self.lock:
            for single in [result] if isinstance(result, Result) else result:
                card = self._know(single)
                card.prompt = card.prompt or f"In[{self._number}]"
            key = self._key(result)
        self.displays.show(key)

    def show_task(self, task_id: str) -> Result[Any]:
        """Show the card of a task by its id, or the beginning of it; return its result."""
        result = self.control.result(self.find(task_id))
        self.displays.show(result.id)
        return result

    def describe(self, result: Result[Any] | ResultGroup[Any]) -> str:
        """Return in plain text what `show` shows."""
        if not self._is_ours(result):
            return repr(result)
        self.watcher.catch_up()
        with self.lock:
            cards = [self._know(r) for r in ([result] if isinstance(result, Result) else result)]
            key = self._key(result)
            if isinstance(result, Result):
                return card_text(cards[0], time.time())
            return group_text(self.board.groups[key], cards, time.time())

    def status(self) -> dict[str, Any]:
        """Return what is going on: workers, counts of tasks by state, the storage."""
        self.watcher.catch_up()
        self._look_elsewhere()
        with self.lock:
            facts = self.overview().status()
        if not self.huey.durable:
            facts["storage"] = "memory: the queue ends with the kernel"
        return {**facts, "periodic": len(self.huey.registry.periodic)}

    def tasks(self, state: str = "") -> list[Card]:
        """Return the cards of all tasks, or of those in one state, the latest last.

        :raises LookupError: if no state is called so.
        """
        known = {one.word: one for one in State} | {one.value: one for one in State}
        if state and state not in known:
            words = ", ".join(dict.fromkeys(one.word for one in State))
            raise LookupError(f"no state is called {state!r}: they are {words}")
        self.watcher.catch_up()
        with self.lock:
            cards = list(self.board.cards.values())
        return [card for card in cards if not state or card.state is known[state]]

    def clear(self) -> int:
        """Forget the tasks that are over, and the values that they left; return how many.

        What is shown stays, and so does the value of a result that somebody holds. Code goes too
        that was sent for tasks, if none needs it any more.
        """
        self.handing.bring_back()
        cards = self.tasks()
        over = [card.id for card in cards if card.terminal]
        for task_id in over:
            if not self.control.is_held(task_id):
                self.huey.storage.pop_data(task_id)
        sweep(self.huey.storage, {card.id for card in cards if not card.terminal})
        with self.lock:
            return self.board.forget(over)

    # -- waiting and stopping ---------------------------------------------------------------------

    def wait(self, *task_ids: str) -> bool:
        """Wait until tasks have ended, or all that are not scheduled for later.

        An interrupt ends the waiting, not the tasks.

        :param task_ids: the ids, or enough of their beginnings; all tasks if there are none.
        :returns: whether they have ended.
        :raises HueyException: inside a task, which would wait for itself.
        """
        refuse_in_task("wait for the queue that it is in")
        wanted = [self.find(one) for one in task_ids] or None
        try:
            while not self._over(wanted):
                sleep(TICK, "await the results, or their group")
        except KeyboardInterrupt:
            return False
        self.handing.bring_back()
        return True

    def cancel(self, task_id: str) -> int:
        """Cancel a task, or ``all``; return how many were asked to stop.

        :param task_id: the id, or enough of its beginning, or the name of a periodic task.
        """
        for name in (task_id, f"__main__.{task_id}"):
            if name in self.huey.registry.periodic:
                return int(self.huey.registry.unregister(name))
        wanted = None if task_id == "all" else self.find(task_id)
        cards = [card for card in self.tasks() if wanted in (None, card.id)]
        open_ids = [card.id for card in cards if not (card.terminal or card.asked)]
        return self.control.act("cancel", open_ids)

    def retry(self, task_id: str) -> int:
        """Run a task again that is over, or all that ``failed``; return how many.

        :param task_id: the id, or enough of its beginning.
        """
        if task_id != "failed":
            self.control.run_again(self.find(task_id))
            return 1
        failed = [card.id for card in self.tasks() if card.state is State.failed]
        return self.control.act("retry", failed)

    # -- workers ----------------------------------------------------------------------------------

    def start(self, workers: int | None = None, kind: str = "", detach: bool = False) -> None:
        """Start workers, or have another number or kind of them.

        Processes cannot see a queue in memory: it moves to the file ``huey.db`` first.

        :param workers: how many; by default as many as before.
        :param kind: ``thread``, in this kernel, or ``process``; by default as before.
        :param detach: let them outlive the kernel.
        """
        kind = kind or self.workers.kind
        count = self.workers.count if workers is None else workers
        if kind == "process":
            if is_alone():
                raise ConfigurationError("no process can be started in this kernel")
            places.check_processes(borrowed=self.huey.is_borrowed)
        if kind == "process" and not self.huey.durable:
            self.use("sqlite", move=True)
            self.displays.say(f"processes cannot see memory: the queue is in {self.huey.place} now")
        if kind == self.workers.kind and self.workers.running and not detach:
            self.workers.set_count(count)
            self.workers.resume()
            return
        self.stop()
        if kind == "process":
            self._hire(Outside(self.huey, count, detach=detach))
        else:
            self._hire(Threads(self.huey, count))
        self.workers.start()

    def stop(self) -> None:
        """Stop the workers; what runs is interrupted and goes back to the queue.

        :raises HueyException: inside a task, which would wait for its own end; so do `restart`
            and `use`.
        """
        refuse_in_task("stop the workers that run it")
        self.workers.stop()
        self._put_back()

    def restart(self) -> None:
        """Stop the workers once what runs has ended, and start fresh ones."""
        refuse_in_task("stop the workers that run it")
        self.workers.stop(graceful=True)
        self.workers.start()

    def pause(self) -> None:
        """Have the workers finish what they run and begin nothing more until `resume`."""
        self.workers.pause()

    def resume(self) -> None:
        """Have paused workers go on."""
        self.workers.resume()

    def step(self) -> None:
        """Have paused workers begin one task, and then pause again; for workers in this kernel.

        :raises ConfigurationError: if they are elsewhere.
        """
        if not isinstance(self.workers, Threads):
            raise ConfigurationError("%huey step is for workers in this kernel")
        self.workers.step()

    # -- other queues -----------------------------------------------------------------------------

    def use(self, where: str, *, move: bool = False, leave: bool = False) -> None:
        """Keep the queue somewhere else from now on; task functions come along.

        :param where: ``memory``, ``sqlite[:PATH]``, ``redis[:URL]``, ``file:DIR``, or the name of
            a variable that holds a Huey.
        :param move: take waiting and scheduled tasks along. Running ones may end first.
        :param leave: leave them where they are; in memory they are lost.
        :raises ConfigurationError: if tasks wait or run and neither was said, or the new place
            cannot be used.
        """
        refuse_in_task("move the queue that it is in")
        self.places.use(where, move, leave)

    def dashboard(self) -> None:
        """Show workers, queue, schedule and what is over, and how they go on."""
        self.displays.show_view(DashboardView(self.overview))

    def overview(self) -> Overview:
        """Return the whole queue at a glance; use it under the lock."""
        names = [f"{self.workers.kind} {n + 1}" for n in range(self.workers.count)]
        facts = Facts(
            now=time.time(),
            workers=tuple(names) if self.workers.running else (),
            kind=self.workers.kind,
            paused=self.workers.paused,
            lag=self.heartbeat.lag,
            place=self.huey.place,
            note=self.outage or self.workers.failure,
            elsewhere=self._elsewhere,
        )
        return overview(self.board, facts)

    def ids(self) -> list[str]:
        """Return the ids of all tasks, short but told apart."""
        return [card.id[:8] for card in self.tasks()]

    @property
    def now(self) -> float:
        """The present, in epoch seconds."""
        return time.time()

    def reconnect(self, where: str = "") -> int:
        """Go back to the queue that this notebook used before its kernel was restarted.

        Shows the cards of its tasks, with what has become of them meanwhile.

        :param where: as for `use`; by default where the notebook was last.
        :returns: how many tasks there are.
        """
        return self.places.reconnect(where)

    def find(self, beginning: str) -> str:
        """Return the one task id that begins so, or the latest task of that name.

        :raises LookupError: if there is none, or more than one.
        """
        if self.control.is_held(beginning):
            return beginning
        self.watcher.catch_up()
        with self.lock:
            cards = self.board.cards
            found = [task_id for task_id in cards if task_id.startswith(beginning)]
            named = [task_id for task_id, card in cards.items() if card.function == beginning]
        if len(found) == 1 or named:
            return found[0] if len(found) == 1 else named[-1]
        what = "no task has" if not found else f"{len(found)} tasks have"
        raise LookupError(f"{what} that name, or an id that begins with {beginning!r}: %huey tasks")

    def export(self, path: str, *, force: bool = False) -> str:
        """Write the notebook's task functions as a module that ``huey_consumer`` runs.

        :param path: the file, like ``tasks.py``.
        :param force: replace a file that was not written by this.
        :returns: what to do with it, in a sentence.
        """
        return str(export(self.ip, self.huey, path, force=force))

    def config(self, *settings: str) -> dict[str, Any]:
        """Change what holds where nothing else is said; return all of it.

        :param settings: like ``workers=4``, ``export=none``, ``on_rerun=queue``, ``retries=2``.
        :raises ValueError: if there is no such setting, or it cannot be that.
        """
        for setting in settings:
            key, _, text = (part.strip() for part in setting.partition("="))
            if key == "workers":
                if not text.isdecimal() or not int(text):
                    raise ValueError(f"workers is a whole number from 1 up, not {text!r}")
                self.workers.set_count(int(text))
            else:
                self.settings.change(key.replace("-", "_"), text)
        return {"workers": self.workers.count, **self.settings.told()}

    def doctor(self) -> Any:
        """Return what works here and what does not, to be displayed."""
        return doctor.Report(doctor.diagnose(self, self.ip))

    # -- within -----------------------------------------------------------------------------------

    @property
    def _number(self) -> int:
        return int(self.ip.displayhook.prompt_count)

    def _hire(self, workers: Threads | Outside) -> None:
        """Have these workers from now on."""
        self.workers = self.control.workers = workers

    def _put_back(self) -> None:
        """Have what was running in a worker that had to be killed wait again; cards say so."""
        running = {
            card.id for card in self.tasks() if card.state in (State.running, State.stopping)
        }
        if not running or not self.huey.durable:
            return
        with self._past_outages():
            self.huey.storage.recover()
            for task in self.huey.pending():
                if task.id in running:
                    self.huey.storage.append_events(self.huey.events.of("interrupted", task))
        self.watcher.catch_up()

    def _need_processes(self) -> None:
        """Have worker processes, for a cell that must not be in this kernel's way."""
        if self.workers.kind != "process":
            self.start(kind="process")

    def _repeat(self, work: Source) -> str:
        name = self.handing.repeat(work)
        self.displays.say(
            f"{work.label} runs in minutes that match {work.options.every}; "
            f"%huey cancel {name} ends that"
        )
        return name

    def _know(self, result: Result[Any]) -> Card:
        """Return a result's card, also if its events are not kept any more."""
        self.control.remember(result)
        card = self.board.cards.get(result.id) or self._recall(result)
        known, eta = result.task.describe(), result.task.eta
        when = 0.0 if eta is None else self.huey.timestamp(eta)
        if card.state is State.queued and when > time.time():  # no worker has scheduled it yet
            self.board.fold({"kind": "scheduled", "task": card.id, "at": time.time(), "eta": when})
        card.name = card.name or result.task.name
        card.args = card.args or known.get("args", "")
        card.label = card.label or known.get("label", "")
        return card

    def _recall(self, result: Result[Any]) -> Card:
        """Make the card of a result whose events are not kept; nothing waits that is over."""
        card = self.board.card(result.id)
        status = result.status()
        if status in ENDED:
            self.board.fold({"kind": status, "task": result.id, "at": time.time()})
        elif status == "unknown":
            self.board.fold({"kind": "complete", "task": result.id, "at": time.time()})
            card.note = "what became of it is not kept any more"
        return card

    def _is_ours(self, result: Result[Any] | ResultGroup[Any]) -> bool:
        singles = [result] if isinstance(result, Result) else result
        return all(single.huey.storage is self.huey.storage for single in singles)

    def _key(self, result: Result[Any] | ResultGroup[Any]) -> str:
        if isinstance(result, Result):
            return result.id
        ids = [single.id for single in result]
        group = self.board.group(result.id or "-".join(ids[:1]), ids=ids, expected=len(ids))
        group.prompt = group.prompt or f"In[{self._number}]"
        return group.id

    def _over(self, wanted: list[str] | None) -> bool:
        self.watcher.catch_up()
        with self.lock:
            if wanted is not None:
                found = (self.board.cards.get(task_id) for task_id in wanted)
                return all(card is None or card.terminal for card in found)
            cards = list(self.board.cards.values())
        return all(card.terminal or card.state is State.scheduled for card in cards)

    def _carry_out(self, verb: str, key: str) -> None:
        """Do what a button asks for."""
        view, _, what = key.partition("#")
        if (listener := self.displays.listeners.get(view)) is not None:
            listener(verb, what)
            return
        rule = {"pause": self.pause, "resume": self.resume}
        if verb in rule:
            rule[verb]()
        elif verb == "pick":
            with self.lock:
                self.board.pick(key)
        elif verb in ("more", "fewer"):
            self._add_workers(1 if verb == "more" else -1)
        else:
            self.control.act(verb, self.control.reached(verb, key))
        self._refresh_hints()

    def _add_workers(self, number: int) -> None:
        """Have more workers or, below 0, fewer; where none runs, start those that there were."""
        if self.workers.running:
            self.workers.set_count(max(1, self.workers.count + number))
        else:
            self.start()

    def _look_elsewhere(self) -> None:
        """Count the workers that others have at this queue."""
        total, self._living = 0, None
        if self.huey.durable:
            with self._past_outages():
                workers = self.huey.storage.workers()
                total = len(workers)
                if not self.huey.is_borrowed:  # or the storage may not know those elsewhere
                    self._living = frozenset(facts.get("pid", 0) for _, facts in workers)
        own = self.workers.count if self.workers.running else 0
        self._elsewhere = max(0, total - own)

    def _publish(self, changes: Changes) -> None:
        with self.lock:
            self.control.keep_failed(changes.cards)
        self.displays.publish(changes)
        self.handing.start_what_waited()

    def _catch_up(self) -> None:
        self.watcher.catch_up()

    @property
    def outage(self) -> str:
        """Why the queue cannot be reached just now; empty if it can."""
        why = self.watcher.outage
        return f"{self.huey.place} cannot be reached: {why}" if why else ""

    def _refresh_hints(self) -> None:
        if self.board.by_state[State.queued] or self.board.by_state[State.running]:
            self._look_elsewhere()
        anybody = self.workers.running or self._elsewhere > 0
        idle = hints.idle_because(anybody, self.workers.paused and not self._elsewhere)
        lags = self.heartbeat.high_for(hints.LAG) >= hints.PATIENCE
        with self.lock:
            hints.refresh(self.board, idle, lags, self._living)

    @contextlib.contextmanager
    def _past_outages(self) -> Iterator[None]:
        """Go on if the storage cannot be reached: the same is done again later, or elsewhere."""
        try:
            yield
        except Exception as error:
            if not self.huey.storage.is_outage(error):
                raise

    def _before_cell(self, info: Any) -> None:
        with self._past_outages():
            self.handing.bring_back()
        self.displays.begin_cell()

    def _after_cell(self, result: Any) -> None:
        """Show the ends of tasks before the cell's own end: some front ends listen no longer."""
        with self._past_outages():
            self.handing.bring_back()
        self.displays.end_cell()
        if self.named is not None:
            self.ip.user_ns.setdefault(self.named, self.huey)  # %reset takes it away


def refuse_in_task(what: str) -> None:
    """Refuse what a task cannot do, as it would wait for itself.

    :raises HueyException: inside a task.
    """
    if current_run() is not None:
        raise HueyException(f"a task cannot {what}: do that in a cell of the notebook")
