"""Who tells the front end what changed, as often as the budget allows."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from huey_jupyter.beside import Beside
from huey_jupyter.display.budget import MESSAGES, Budget
from huey_jupyter.display.outputs import CardView, Output
from huey_jupyter.views.offers import Offers
from huey_jupyter.views.widget import CardWidget, HubWidget, size_of

logger = logging.getLogger("huey.jupyter")

busy_time = getattr(time, "thread_time", time.perf_counter)  # a browser knows only the other

PUBLISH_EVERY: Final = 0.1  # seconds
AT_ONCE: Final = 100  # ends that are sent without a pause before a cell may end
PAUSE: Final = 0.005  # seconds after each further one: the server drops more than 1,000 a second


class Publisher:
    """Tells the page the news of all live outputs in one message, and the file how each ended.

    :param lock: held while a view is read; never while something is sent.
    :param replace: called with an output that ended, or began again, to send its new bundle;
        returns its size.
    """

    def __init__(self, lock: threading.RLock, replace: Callable[[Output], int]) -> None:
        self.lock = lock
        self.hub: HubWidget | None = None
        self._replace = replace
        self._budget = Budget()
        self._changed: dict[Output, None] = {}
        self._turned: dict[Output, None] = {}  # ended, or began again
        self._regular: dict[Output, float] = {}  # when each is looked at next
        self._offers: dict[str, Offers] = {}
        self._heard: list[tuple[str, str]] = []
        self._notices: list[str] = []
        self._expects = False
        self._closing: deque[CardWidget] = deque()
        self._told_last = False
        self._turn = threading.RLock()
        self._beside = Beside("huey publisher", self._go_on)

    def start(self, hub: HubWidget) -> None:
        """Begin to tell."""
        self.hub = hub
        self._beside.start()

    def stop(self) -> None:
        """End; what was not told yet is not told any more."""
        self._beside.stop()

    def note(self, outputs: Iterable[Output]) -> None:
        """Say that something has changed in what these show."""
        with self.lock:
            self._changed.update(dict.fromkeys(outputs))
        self._beside.wake()

    def watch(self, output: Output) -> None:
        """Look at an output regularly from now on."""
        with self.lock:
            self._regular[output] = 0.0
        self._beside.wake()

    def hear(self, verb: str, key: str) -> None:
        """Let the page know that a click has arrived."""
        with self.lock:
            self._heard.append((verb, key))
        self._beside.wake()

    def expect_notice(self) -> None:
        """Let the page know that there will be something to tell the reader wherever they look."""
        with self.lock:
            self._expects = True
        self._beside.wake()

    def notify(self, text: str) -> None:
        """Have the page tell the reader something, wherever they look."""
        with self.lock:
            self._notices.append(text)
        self._beside.wake()

    def forget(self, output: Output, *, last: bool) -> None:
        """Say no more of an output.

        :param last: nothing else shows the same, so its buttons go.
        """
        with self.lock:
            for table in (self._changed, self._turned, self._regular):
                table.pop(output, None)
            if last:
                self._offer(output.key, [])
            if output.widget is not None:
                self._closing.append(output.widget)
        self._beside.wake()

    def settle(self) -> None:
        """Send every end here and now: some front ends do not listen after the cell's own."""
        with self._turn:
            with self.lock:
                shown = (*self._changed, *self._regular)
                over = [one for one in shown if one.over or one.view.terminal]
                self._turned.update(dict.fromkeys(over))
            for number, output in enumerate(list(self._turned)):
                self._turn_over(output)
                if number >= AT_ONCE:
                    time.sleep(PAUSE)

    # -- beside the cells -----------------------------------------------------------------------

    async def _go_on(self) -> None:
        """Tell what there is until `stop`."""
        while not self._beside.stopping:
            await self._beside.wait(self._next_look())
            try:
                rest = self._tick()
            except Exception:
                logger.exception("the cards could not be shown as they are; trying again")
                rest = 1.0
            await self._beside.rest(max(PUBLISH_EVERY, rest))
            if self._has_more():
                self._beside.wake()

    def _has_more(self) -> bool:
        kept = (self._changed, self._turned, self._heard, self._notices, self._offers)
        return any(map(bool, kept)) or bool(self._closing)

    def _next_look(self) -> float | None:
        with self.lock:
            nearest = min(self._regular.values(), default=None)
        return None if nearest is None else max(0.0, nearest - time.monotonic())

    def _tick(self) -> float:
        """Send what may be sent now; return after how many seconds there may be more.

        While ends wait, every other turn is theirs.
        """
        with self._turn:
            free = self._budget.free(time.monotonic())
            if free:
                ends_first = bool(self._turned) and self._told_last
                self._told_last = not ends_first and self._tell()
                ends = max(not self._told_last, free - MESSAGES // 2)
                for output in list(self._turned)[:ends]:
                    self._turn_over(output)
            if self._closing and not self._turned and self._budget.free(time.monotonic()):
                self._closing.popleft().close()
                self._budget.sent(time.monotonic())
            return self._budget.wait(time.monotonic())

    def _tell(self) -> bool:
        """Send all news in one message; return whether there were any."""
        with self.lock:
            changed, self._changed = [*self._changed, *self._due()], {}
            heard, self._heard = self._heard, []
            notices, self._notices = self._notices, []
            expects, self._expects = self._expects, False
        began = busy_time()
        cards = {}
        for output in changed:
            try:
                news = self._look(output)
            except Exception:  # of one view; the others are told
                logger.exception("a card could not be shown as it is")
                continue
            if news and output.widget is not None:
                cards[output.widget.name] = news
        with self.lock:
            offers, self._offers = self._offers, {}
        content: dict[str, object] = {"cards": cards, "heard": heard, "offers": offers}
        content |= {"notify": notices, "expects": expects}
        told = {name: facts for name, facts in content.items() if facts}
        if told and self.hub is not None:
            self.hub.send(told)
            self._budget.sent(time.monotonic(), size_of(told))
        self._budget.worked(time.monotonic(), busy_time() - began)
        return bool(told)

    def _due(self) -> list[Output]:
        now = time.monotonic()
        due = [output for output, at in self._regular.items() if at <= now]
        self._regular.update((output, now + output.every) for output in due)
        return due

    def _look(self, output: Output) -> Any:
        """Return an output's news, and see to it that it is turned over if it ended or began."""
        with self.lock:
            terminal = output.view.terminal
            if terminal or output.over:
                self._turned[output] = None
                self._regular.pop(output, None)
            if isinstance(output.view, CardView):
                offered = terminal and not output.view.gone
                self._offer(output.key, output.view.offers() if offered else [])
            if output.widget is None or output.view.gone:
                return None
            html = output.view.html(live=True)
        return output.news(html)

    def _offer(self, key: str, offers: Offers) -> None:
        """Note which buttons a card has that is plain HTML."""
        hub = self.hub
        if hub is None or offers == hub.offers.get(key, []):
            return
        self._offers[key] = offers
        others = {other: kept for other, kept in hub.offers.items() if other != key}
        hub.offers = others | ({key: offers} if offers else {})

    def _turn_over(self, output: Output) -> None:
        began = busy_time()
        self._turned.pop(output, None)
        size = self._replace(output)
        if size:
            self._budget.sent(time.monotonic(), size)
        self._budget.worked(time.monotonic(), busy_time() - began)
