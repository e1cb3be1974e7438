"""Functions of a notebook that run in a process elsewhere, which has nothing of the notebook's."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from notebook_worker import Notebook, worker_for
from waiting import PATIENCE, eventually

from huey import chord, group
from huey.exceptions import ConfigurationError, TaskException
from huey_jupyter.shipping import CannotTravel, check_python, envelope, say_python


def value(result: Any) -> Any:
    return result.get(blocking=True, timeout=PATIENCE)


def code_keys(huey: Any) -> list[str]:
    return [key for key in huey.storage.result_items() if key.startswith("code:")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A queue in a file, with a worker for all tests of this module."""
    folder = tmp_path_factory.mktemp("shipping")
    notebook = Notebook(f"sqlite:{folder}/queue.db")
    with worker_for(notebook.huey, folder / "elsewhere"):
        yield notebook.huey.url
    notebook.close()


@pytest.fixture
def notebook(url: str) -> Iterator[Notebook]:
    """A notebook whose queue has a worker elsewhere."""
    notebook = Notebook(url)
    yield notebook
    notebook.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Notebook]:
    """A notebook whose queue has no worker."""
    notebook = Notebook(f"sqlite:{tmp_path}/alone.db")
    yield notebook
    notebook.close()


# -- what travels -----------------------------------------------------------------------------

FUNCTIONS = {
    "a function": ("def f(x): return x + 1", (2,), 3),
    "a helper and a global": ("K = 5\ndef h(x): return x * K\ndef f(x): return h(x)", (2,), 10),
    "a module": ("import math, os.path as p\ndef f(x): return p.basename(x)", ("a/b",), "b"),
    "recursion": ("def f(n): return 1 if n < 2 else n * huey_less(n - 1)", (5,), 120),
    "mutual recursion": (
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n > 0 and even(n - 1)\n"
        "def f(n): return even(n)",
        (10,),
        True,
    ),
    "a closure": ("def make(k):\n  def f(x): return x * k\n  return f\nf = make(3)", (2,), 6),
    "a lambda": ("double = lambda x: 2 * x\ndef f(x): return double(x)", (4,), 8),
    "a class": (
        "class A:\n  def __init__(self, x): self.x = x\n  def get(self): return self.x\n"
        "class B(A):\n  def get(self): return super().get() + 1\ndef f(x): return B(x).get()",
        (1,),
        2,
    ),
    "an enum": (
        "import enum\nclass C(enum.Enum):\n  RED = 1\n  BLUE = 2\ndef f(n): return C(n).name",
        (2,),
        "BLUE",
    ),
    "an async function": (
        "import asyncio\nasync def f(x):\n  await asyncio.sleep(0)\n  return -x",
        (3,),
        -3,
    ),
    "defaults": ("D = [1, 2]\ndef f(x, d=D, *, k=3): return [*d, x, k]", (9,), [1, 2, 9, 3]),
    "a generator within": ("def f(n): return sum(i * i for i in range(n))", (4,), 14),
    "a changed global": ("n = 1\ndef f():\n  global n\n  n += 1\n  return n", (), 2),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_runs_elsewhere(notebook: Notebook, case: str) -> None:
    source, arguments, expected = FUNCTIONS[case]
    notebook.cell(source.replace("huey_less", "f.call_local")).cell("f = huey.task()(f)")

    assert value(notebook.f(*arguments)) == expected


def test_globals_go_along_as_they_are_at_the_call(notebook: Notebook) -> None:
    notebook.cell("K = 1\nL = [1]\n@huey.task()\ndef f(): return K, L")

    first = notebook.f()
    notebook.cell("K = 2\nL.append(2)")
    second = notebook.f()

    assert value(first) == (1, [1])
    assert value(second) == (2, [1, 2])


def test_a_task_calls_other_tasks_and_itself_and_uses_the_queue(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task()
        def leaf(n):
            return f"leaf {n}"

        @huey.task()
        def count_down(n):
            huey.put(f"was at {n}", True)
            return count_down(n - 1).id if n else leaf(n).id
    """)
    before = code_keys(notebook.huey)

    found = value(notebook.count_down(3))
    for _ in range(4):
        found = notebook.huey.result(found, blocking=True, timeout=PATIENCE)

    assert found == "leaf 0"
    assert notebook.huey.get("was at 0")
    assert len(code_keys(notebook.huey)) == len(before) + 1  # both, once for all the calls


def test_a_task_function_can_be_an_argument(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task()
        def leaf(n): return 10 * n

        @huey.task()
        def call(task_function, n): return task_function.call_local(n), task_function(n).id
    """)

    here, elsewhere = value(notebook.call(notebook.leaf, 3))

    assert here == 30
    assert notebook.huey.result(elsewhere, blocking=True, timeout=PATIENCE) == 30


def test_a_task_is_given_its_context(notebook: Notebook) -> None:
    notebook.cell("@huey.task(context=True)\ndef f(task=None): return task.id, task.name")

    result = notebook.f()

    assert value(result) == (result.id, "__main__.f")


def test_retries_go_on_elsewhere(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task(retries=3, retry_delay=0, context=True)
        def f(task=None):
            if task.retries > 1:
                raise ValueError("again")
            return task.attempt, task.retries
    """)

    result = notebook.f()

    assert value(result) == (3, 1)
    events = [e for _, e in notebook.huey.events.read() if e["task"] == result.id]
    assert [e["kind"] for e in events].count("executing") == 3
    assert {e["name"] for e in events} == {"__main__.f"}


def test_locks_and_limits_around_a_function_hold_elsewhere(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task()
        @huey.lock_task("one")
        def f():
            return huey.is_locked("one")

        @huey.task()
        @huey.rate_limit("seldom", 10, 1)
        def g(): return "g"
    """)

    assert value(notebook.f()) is True
    assert value(notebook.g()) == "g"
    assert not notebook.huey.is_locked("one")


def test_instances_come_back_as_the_same_class(notebook: Notebook) -> None:
    notebook.cell("""
        import dataclasses, enum, typing

        @dataclasses.dataclass
        class P:
            x: int

        class Color(enum.Enum):
            RED = 1

        class Pair(typing.NamedTuple):
            a: object
            b: object

        @huey.task()
        def f(p, color): return Pair(P(p.x + 1), color)
    """)

    pair = value(notebook.f(notebook.P(1), notebook.Color.RED))

    assert type(pair) is notebook.Pair
    assert type(pair.a) is notebook.P
    assert pair == notebook.Pair(notebook.P(2), notebook.Color.RED)
    assert pair.b is notebook.Color.RED


def test_a_class_that_comes_back_stays_as_it_is(notebook: Notebook) -> None:
    notebook.cell("""
        K = 1

        class P:
            def k(self): return K

        @huey.task()
        def f(p): return p
    """)
    before = notebook.P.k

    came = value(notebook.f(notebook.P()))
    notebook.cell("K = 2")

    assert notebook.P.k is before
    assert came.k() == 2


def test_an_error_of_the_notebooks_own_class_is_told(notebook: Notebook) -> None:
    notebook.cell("""
        class Bad(Exception):
            def worse(self): return f"{self} and stale"

        @huey.task()
        def f(): raise Bad("soup: cold")

        @huey.task()
        def handle(error): huey.put("handled", error)
    """)

    result = notebook.f.s().error(notebook.handle)
    result = notebook.huey.enqueue(result)

    with pytest.raises(TaskException, match="soup: cold") as caught:
        value(result)
    assert "raise Bad(" in caught.value.metadata["traceback"]
    handled = eventually(lambda: notebook.huey.get("handled"))
    assert type(handled) is notebook.Bad
    assert handled.worse() == "soup: cold and stale"


def test_pipelines_groups_and_chords_work_elsewhere(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task()
        def add(a, b): return a + b

        @huey.task()
        def total(values): return sum(values)

        @huey.task()
        def fail(): raise ValueError("no")

        @huey.task()
        def note(error): huey.put("noted", str(error))
    """)
    huey, add, total = notebook.huey, notebook.add, notebook.total

    assert value(huey.enqueue(add.s(1, 2).then(add, 10).then(add, 100)))[-1] == 113
    assert value(huey.enqueue(group(add.s(i, i) for i in range(4)))) == [0, 2, 4, 6]
    assert value(huey.enqueue(chord([add.s(i, 1) for i in range(4)], total.s()))) == 10
    huey.enqueue(notebook.fail.s().error(notebook.note))
    assert eventually(lambda: huey.get("noted")) == "no"


@pytest.mark.parametrize("kind", ["sqlite", "redis", "file"])
def test_every_durable_queue_takes_code(kind: str, tmp_path: Path, redis_server: Any) -> None:
    places = {"sqlite": f"sqlite:{tmp_path}/q.db", "file": f"file:{tmp_path}/q"}
    notebook = Notebook(places.get(kind, redis_server.url)).cell("""
        class P:
            def __init__(self, x): self.x = x

        def helper(p): return P(p.x + 1)

        @huey.task(retries=1)
        def f(p): return helper(p)

        @huey.task()
        def total(ps): return sum(p.x for p in ps)
    """)
    huey, f, total = notebook.huey, notebook.f, notebook.total

    with worker_for(huey, tmp_path / "elsewhere", "process" if kind != "file" else "thread"):
        assert type(value(f(notebook.P(1)))) is notebook.P
        assert value(huey.enqueue(f.s(notebook.P(1)).then(f)))[-1].x == 3
        assert value(huey.enqueue(chord([f.s(notebook.P(i)) for i in range(3)], total))) == 6
        later = f.schedule((notebook.P(5),), delay=0.05)
        assert value(later).x == 6
    notebook.close()


def test_only_the_notebook_enqueues_its_periodic_tasks(alone: Notebook, tmp_path: Path) -> None:
    alone.cell("""
        from huey import crontab

        @huey.periodic_task(crontab())
        def tick(): huey.put("ticked", True)
    """)
    minute = int(time.time() // 60)

    assert alone.huey.enqueue_periodic(minute) == 1
    assert alone.huey.enqueue_periodic(minute) == 0
    with worker_for(alone.huey, tmp_path / "elsewhere"):
        assert eventually(lambda: alone.huey.get("ticked"))
        events = [e["kind"] for _, e in alone.huey.events.read() if e["name"] == "__main__.tick"]
        assert events.count("enqueued") == 1
    assert alone.huey.all_results() == {}


def test_code_is_written_once_and_dumped_once_for_many_calls(alone: Notebook) -> None:
    alone.cell("""
        class Costly:
            dumps = 0
            def __reduce__(self):
                Costly.dumps += 1
                return (list, ())

        thing = Costly()

        @huey.task()
        def f(n): return thing
    """)
    Costly = alone.Costly

    alone.huey.enqueue_many([alone.f.s(n) for n in range(50)])
    assert Costly.dumps == 1

    alone.f(1)
    assert Costly.dumps == 2
    assert len(code_keys(alone.huey)) == 1
    assert len(alone.huey) == 51
    assert alone.huey.result_count() == 0


def test_flush_removes_code_too_and_the_next_call_sends_it_again(alone: Notebook) -> None:
    alone.cell("@huey.task()\ndef f(n): return -n")
    alone.f(1)
    alone.huey.flush()
    assert code_keys(alone.huey) == []

    result = alone.f(2)
    with alone.huey.create_consumer():
        assert value(result) == -2


def test_large_globals_and_arguments_are_told(alone: Notebook) -> None:
    alone.cell("""
        data = b"x" * 38_000_000
        small = b"y" * 1000

        @huey.task()
        def f(given): return len(data) + len(small)
    """)

    alone.f(1)
    alone.cell("data = b''")
    alone.f(bytearray(2_000_000))
    alone.f(1)

    told = [event.get("carries") for _, event in alone.huey.events.read()]
    assert told == ["`data`, 38 MB", "its arguments, 2 MB", None]
    report = alone.huey.courier.preflight(alone.f)
    assert [(item.name, item.line) for item in report.along] == [("small", 6), ("data", 6)]


# -- what cannot ------------------------------------------------------------------------------

STUCK = {
    "a lock": (
        "import threading\nlock = threading.Lock()\ndef f():\n\n    with lock:\n        pass",
        ["`lock` is a lock, used in line 5", "make it inside the function", "huey.lock_task"],
    ),
    "an open file": (
        "log = open('/dev/null')\ndef f():\n    return log.read()",
        ["`log` is an open file, used in line 3", "or pass its path"],
    ),
    "a file open in bytes": (
        "log = open('/dev/null', 'rb')\ndef f():\n    return log.read()",
        ["`log` is an open file, used in line 3", "or pass its path"],
    ),
    "a connection": (
        "import sqlite3\ndb = sqlite3.connect(':memory:')\ndef f(): return db.execute('x')",
        ["`db` is a connection to a database, used in line 3", "connect inside the function"],
    ),
    "a generator": (
        "numbers = (n for n in range(3))\ndef f():\n    return list(numbers)",
        ["`numbers` is a generator, used in line 3", "or a list of it"],
    ),
    "in a helper": (
        "import threading\nlock = threading.Lock()\ndef helper(): return lock\n"
        "def f(): return helper()",
        ["`lock` is a lock, used in line 3 of helper"],
    ),
    "in a closure": (
        "import threading\ndef make():\n    lock = threading.Lock()\n    def f():\n"
        "        return lock\n    return f\nf = make()",
        ["`lock` is a lock, used in line 5"],
    ),
    "in a container": (
        "import threading\nconfig = {'a': [1, threading.Lock()]}\ndef f(): return config",
        ["`config` is a dict that holds a list that holds a lock, used in line 3"],
    ),
    "in a method": (
        "import threading\nlock = threading.Lock()\nclass A:\n    def go(self):\n"
        "        return lock\ndef f(): return A().go()",
        ["`lock` is a lock, used in line 5 of go"],
    ),
    "two of them": (
        "import threading\na = threading.Lock()\nb = open('/dev/null')\ndef f(): return a, b",
        ["`a` is a lock", "`b` is an open file"],
    ),
    "a task": (
        "@huey.task()\ndef g(): pass\nt = g.s()\ndef f(): return t",
        ["`t` is a g, used in line 4"],
    ),
}


@pytest.mark.parametrize("case", STUCK)
def test_what_cannot_travel_is_named_before_anything_is_sent(alone: Notebook, case: str) -> None:
    source, expected = STUCK[case]
    alone.cell(source).cell("f = huey.task()(f)\n@huey.task()\ndef fine(): pass")

    for attempt in (
        alone.f,
        lambda: alone.huey.enqueue_many([alone.fine.s(), alone.f.s()]),
        lambda: alone.huey.enqueue(chord([alone.f.s()], alone.fine.s())),
        lambda: alone.huey.enqueue(alone.fine.s().then(alone.f)),
    ):
        with pytest.raises(CannotTravel) as caught:
            attempt()
        for words in expected:
            assert words in str(caught.value)

    assert len(alone.huey) == 0
    assert code_keys(alone.huey) == []
    assert alone.huey.events.read() == []
    for thing in ("log", "db", "b"):
        if hasattr(alone.names.get(thing), "close"):
            alone.names[thing].close()


def test_an_argument_that_cannot_travel_is_named(alone: Notebook) -> None:
    alone.cell("import threading\n@huey.task()\ndef f(a, b=None): pass")

    with pytest.raises(CannotTravel, match=r"argument 1 of __main__.f .* it is a lock"):
        alone.f(alone.threading.Lock())
    with pytest.raises(
        CannotTravel, match=r"argument 'b' of __main__.f .* it is a list that holds"
    ):
        alone.f(1, b=[alone.threading.Lock()])
    assert len(alone.huey) == 0
    assert code_keys(alone.huey) == []


def test_a_result_that_cannot_travel_is_an_error_of_the_task(notebook: Notebook) -> None:
    notebook.cell("@huey.task()\ndef f(): return (n for n in [1])")

    with pytest.raises(TaskException, match="a generator, cannot be stored"):
        value(notebook.f())


# -- another Python ---------------------------------------------------------------------------


def test_a_worker_of_another_python_sets_messages_aside_unread(
    alone: Notebook, tmp_path: Path
) -> None:
    alone.cell("""
        class P:
            def __reduce__(self):
                return (__import__("os").abort, ())

        @huey.task()
        def f(x=None): return "ran"

        @huey.task()
        def after(x): return x
    """)
    by_name = alone.f()
    with_code = alone.after(alone.f.func)
    later = alone.huey.enqueue(alone.f.s().then(alone.after))

    with worker_for(alone.huey, tmp_path / "elsewhere", python="3.12"):
        for result in (by_name, with_code, later[0]):
            with pytest.raises(TaskException, match="no consumer could read"):
                value(result)
    reasons = [reason for _, reason in alone.huey.set_aside()]
    assert len(reasons) == 3
    for reason in reasons:
        assert "sent from Python 3.11, and this is Python 3.12" in reason
        assert "python3.11 -m huey_jupyter worker" in reason

    assert alone.huey.restore_set_aside() == 3
    with worker_for(alone.huey, tmp_path / "right"):
        assert value(by_name) == "ran"
        assert value(with_code)(1) == "ran"
        assert value(later)[-1] == "ran"


def test_plain_data_is_read_by_every_python(alone: Notebook, monkeypatch) -> None:
    data = alone.huey.serializer.serialize({"a": [1, datetime.date(2020, 1, 1)]})
    monkeypatch.setattr(envelope, "PYTHON", "3.99")

    assert alone.huey.serializer.deserialize(data) == {"a": [1, datetime.date(2020, 1, 1)]}


def test_a_worker_of_another_python_finds_out_before_it_starts(alone: Notebook, monkeypatch):
    check_python(alone.huey)
    alone.cell("@huey.task()\ndef f(): pass").f()
    check_python(alone.huey)
    monkeypatch.setattr(envelope, "PYTHON", "3.99")

    with pytest.raises(ConfigurationError, match=r"Python 3\.11, and this is Python 3\.99"):
        check_python(alone.huey)

    say_python(alone.huey)
    check_python(alone.huey)


def test_a_module_that_the_worker_lacks_is_told(
    alone: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_the_notebook.py").write_text("def helper(): return 1\nclass Given: pass")
    monkeypatch.syspath_prepend(tmp_path)
    alone.cell("""
        import beside_the_notebook
        from beside_the_notebook import Given

        class P: pass

        @huey.task()
        def f(): return beside_the_notebook.helper()

        @huey.task()
        def g(*given): return 1
    """)
    results = alone.f(), alone.g(alone.P, alone.Given())

    with worker_for(alone.huey, tmp_path / "elsewhere"):
        for result in results:
            with pytest.raises(TaskException, match="no consumer could read"):
                value(result)
    told = [event for _, event in alone.huey.events.read() if event["kind"] == "lost"]
    assert [event["task"] for event in told] == [result.id for result in results]
    for reason in (
        *(why for _, why in alone.huey.set_aside()),
        *(event["error"] for event in told),
    ):
        assert "No module named 'beside_the_notebook': install it" in reason


def test_immediate_mode_needs_no_worker(alone: Notebook) -> None:
    alone.cell("K = 2\n@huey.task()\ndef f(n): return n * K\n@huey.task()\ndef g(n): return f(n)")
    alone.huey.immediate = True

    assert alone.f(4).get() == 8
    assert alone.huey.enqueue(alone.f.s(4).then(alone.f)).get() == [8, 16]
    alone.huey.immediate = False


def test_the_notebook_alone_can_keep_the_time_of_its_periodic_tasks(
    alone: Notebook, tmp_path: Path
) -> None:
    alone.cell("""
        from huey import every

        @huey.periodic_task(every(seconds=0.2))
        def tick(): huey.put("ticks", (huey.get("ticks", peek=True) or 0) + 1)
    """)
    stop = threading.Event()
    clock = threading.Thread(target=alone.huey.create_consumer().schedule, args=(stop,))
    with worker_for(alone.huey, tmp_path / "elsewhere"):
        clock.start()
        eventually(lambda: (alone.huey.get("ticks", peek=True) or 0) > 2)
        stop.set()
        alone.huey.storage.wake_schedule()
        clock.join(PATIENCE)
    assert not clock.is_alive()


def test_code_that_is_gone_is_told(alone: Notebook) -> None:
    alone.cell("@huey.task()\ndef f(): pass")
    result = alone.f()
    alone.huey.storage.pop_data(code_keys(alone.huey)[0])

    with alone.huey.create_consumer(), pytest.raises(TaskException, match="no consumer could read"):
        value(result)
    [(_, reason)] = alone.huey.set_aside()
    assert "the code of __main__.f is not in the storage any more" in reason
