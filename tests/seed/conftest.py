"""A bench for each kind of Huey, in immediate mode and with a consumer, shared by a whole file."""

import itertools
from contextlib import ExitStack, contextmanager

import pytest
from kinds import kinds, maker
from waiting import PATIENCE

pytest.register_assert_rewrite("checks")

MODES = ("immediate", "consumer")
COLUMNS = [
    pytest.param((kind.values[0], mode), id=f"{kind.values[0]}-{mode}", marks=kind.marks)
    for kind in kinds()
    for mode in MODES
]

_numbers = itertools.count(1)


class Bench:
    """A Huey that runs what it is given, and others to look at while nothing runs.

    :param kind: as in the module `kinds`.
    :param mode: ``immediate`` or ``consumer``.
    :param folder: where it may keep something.
    :param url: a function that returns the address of a Redis server.
    """

    def __init__(self, kind, mode, folder, url):
        self.kind, self.mode, self.folder, self.url = kind, mode, folder, url
        self.immediate = mode == "immediate"
        self._stack = ExitStack()
        self.huey = self._stack.enter_context(self.running())

    def close(self):
        self._stack.close()

    @contextmanager
    def running(self, **options):
        """Give a Huey with options that runs what it is given."""
        huey = self.make(immediate=self.immediate, **options)
        with self.works(huey):
            yield huey

    @contextmanager
    def works(self, huey):
        """Run what a Huey has been or is given, until the block ends."""
        if self.immediate:
            yield
            return
        with huey.create_consumer(workers=2, scheduler_interval=0.05):
            yield

    def make(self, **options):
        """Make a Huey in a place of its own; nobody runs what is on its queue."""
        folder = self.folder / str(next(_numbers))
        folder.mkdir()
        options = {"immediate_use_memory": False, **options}
        huey = maker(self.kind, folder, self.url, name=f"{folder.parent.name}-{folder.name}")(
            **options
        )
        self._stack.callback(huey.storage.close)
        return huey

    def task(self, func, huey=None, **settings):
        """Make a function a task, under a name of its own."""
        return (huey or self.huey).task(name=f"t{next(_numbers)}", **settings)(func)

    def value(self, result):
        """Wait for a result and return it."""
        return result.get(blocking=True, timeout=PATIENCE)

    def settle(self, huey):
        """Be in the bench's mode, whatever waits in a Huey that nobody works off."""
        huey.immediate = self.immediate
        return huey


@pytest.fixture(scope="module")
def benches(request, tmp_path_factory):
    made = {}
    url = lambda: request.getfixturevalue("one_redis_server").url  # noqa: E731

    def bench(kind, mode):
        if (kind, mode) not in made:
            made[kind, mode] = Bench(kind, mode, tmp_path_factory.mktemp(f"{kind}-{mode}"), url)
        return made[kind, mode]

    yield bench
    for one in made.values():
        one.close()


@pytest.fixture(params=COLUMNS)
def bench(request, benches):
    return benches(*request.param)


@pytest.fixture
def huey(bench):
    return bench.huey
