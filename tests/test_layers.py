"""The order of modules, and a check that every import in both packages follows it.

A module may import what stands on the lines above it, or left of it on its own line. Imports inside
functions count too; those under `if TYPE_CHECKING:` do not. A name ending in `.*` is a folder whose
modules may import each other.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ENGINE = """
    constants exceptions signals hooks crontab every alone
    utils serializer lifecycle coroutines
    registry tasks awaiting results composition storage.base
    storage.lines storage.wake storage.doorbell storage.liveness storage.server storage.members
    storage.heap storage.memory storage.blackhole storage.statements
    storage.names storage.journal storage.records storage.listing
    storage.sqlite storage.redis storage.file
    storage
    revocations locks limits inspection events
    executor logs consumer_options control
    drivers.*
    consumer
    api
    huey bin.* contrib.*
"""
NOTEBOOK = """
    beside states log pace fields teaching.lesson teaching.flow teaching.tries
    card
    group runs
    cards
    overview
    capture.*
    views.*
    reprs display.* watch lag
    shipping.* cells work moving leftovers
    export.*
    backends
    worker tied timetable workers outside
    options settings handing control hints remembered places reruns machine doctor
    session
    commands magics completion
    huey_jupyter teaching.* __main__
"""

# The engine never looks at the notebook.
NOT_FOR_THE_ENGINE = {"huey_jupyter", "IPython", "ipykernel", "ipywidgets", "anywidget"}

# These can be tested, and used, without a kernel: neither they nor what they import may need one.
WITHOUT_KERNEL = (
    "huey_jupyter.cards",
    "huey_jupyter.overview",
    "huey_jupyter.views.*",
    "huey_jupyter.backends",
)
KERNEL = {"IPython", "ipykernel"}

# What `import huey` must not load: slow, optional, or missing on some platforms.
NOT_AT_THE_DOOR = {
    *("IPython", "ipywidgets", "redis", "gevent"),
    *("asyncio", "multiprocessing", "ssl", "resource", "pwd"),
    *("socket", "sqlite3", "hashlib", "argparse"),
}

ROOT = Path(__file__).parent.parent


def test_every_import_follows_the_order():
    sources = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for package in ("huey", "huey_jupyter")
        for path in sorted((ROOT / package).rglob("*.py"))
    }

    assert sources
    assert "\n".join(complaints(sources)) == ""


def test_cards_and_views_need_no_ipython():
    code = "import huey_jupyter.cards, huey_jupyter.views, sys; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_import_huey_loads_nothing_heavy():
    code = "import sys; before = {*sys.modules}; import huey; print(*({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "huey" in done.stdout.split()
    assert NOT_AT_THE_DOOR.isdisjoint(done.stdout.split())


# --- the checker -------------------------------------------------------------


class Import(NamedTuple):
    """One import as it stands in a file; `name` is dotted and may end in a function or class."""

    line: int
    name: str


def complaints(sources: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each import that breaks a rule; sources is text by path."""
    known = {module_of(path) for path in sources} | {entry.removesuffix(".*") for entry in PICTURE}
    graph: dict[str, set[str]] = {}
    for path, text in sources.items():
        module = module_of(path)
        targets = graph[module] = set()
        if place(module) is None:
            yield f"{path}: {module} is not in the picture; add it there on purpose"
            continue
        found = {
            (line, longest_known(name, known)) for line, name in imports(text, package_of(path))
        }
        for line, target in sorted(found):
            targets.add(target)
            if why := forbidden(module, target):
                yield f"{path}:{line}: {module} may not import {target}: {why}"
    yield from kernels_reached(graph)


def forbidden(module: str, target: str) -> str | None:
    top = target.partition(".")[0]
    if module.partition(".")[0] == "huey" and top in NOT_FOR_THE_ENGINE:
        return "the engine never looks at the notebook"
    here, there = place(module), place(target)
    if top != module.partition(".")[0] or there is None:
        return None  # not in the picture: said where its own file is looked at
    if there > here or (there == here and not PICTURE[here].endswith(".*")):
        return "it does not stand above it, nor left of it on its line"
    return None


def kernels_reached(graph: dict[str, set[str]]) -> Iterator[str]:
    """Yield a sentence for each way from a module without kernel to IPython."""
    for start in graph:
        if not any(belongs(start, entry) for entry in WITHOUT_KERNEL):
            continue
        ways, seen = [(start,)], set()
        while ways:
            way = ways.pop()
            seen.add(way[-1])
            for target in sorted(graph.get(way[-1], set()) - seen):
                if target.partition(".")[0] in KERNEL:
                    yield f"{start} must work without a kernel: {' -> '.join((*way, target))}"
                else:
                    ways.append((*way, target))


# --- names -------------------------------------------------------------------


def flatten(package: str, order: str) -> list[str]:
    return [name if name == package else f"{package}.{name}" for name in order.split()]


PICTURE = flatten("huey", ENGINE) + flatten("huey_jupyter", NOTEBOOK)


def place(module: str) -> int | None:
    """Return where a module stands in the picture, None if nowhere."""
    return next((n for n, entry in enumerate(PICTURE) if belongs(module, entry)), None)


def belongs(module: str, entry: str) -> bool:
    folder = entry.removesuffix(".*")
    return module == folder or (folder != entry and module.startswith(folder + "."))


def longest_known(name: str, known: set[str]) -> str:
    """Cut a dotted name down to its module; leave names from elsewhere as they are."""
    cut = name
    while cut and cut not in known:
        cut = cut.rpartition(".")[0]
    return cut or name


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def package_of(path: str) -> str:
    return path.rpartition("/")[0].replace("/", ".")


def imports(source: str, package: str) -> Iterator[Import]:
    """Yield what a file imports at run time, inside functions too."""
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                pending.extend(node.orelse)
                continue
            case ast.Import():
                yield from (Import(node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                base = absolute(node, package)
                yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in node.names)
            case ast.Call(
                func=ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                yield Import(node.lineno, name)
        pending.extend(ast.iter_child_nodes(node))


def absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


# --- the checker can fail ----------------------------------------------------

WRONG = {
    "a module above it": ("huey/utils.py", "from huey.api import Huey", "huey.api"),
    "its right neighbour": ("huey/locks.py", "import huey.limits", "huey.limits"),
    "the door": ("huey/api.py", "from huey import Huey", "import huey:"),
    "a module by way of the door": ("huey/tasks.py", "from huey import api", "huey.api"),
    "a relative name": ("huey/storage/base.py", "from ..api import Huey", "huey.api"),
    "a relative neighbour": ("huey/storage/base.py", "from . import memory", "storage.memory"),
    "inside a function": ("huey/utils.py", "def f():\n    import huey.api", "huey.api"),
    "in a try": ("huey/utils.py", "try:\n    import huey.api\nexcept E: pass", "huey.api"),
    "by import_module": ("huey/utils.py", "importlib.import_module('huey.api')", "huey.api"),
    "the notebook": ("huey/api.py", "import huey_jupyter", "never looks at the notebook"),
    "IPython": ("huey/contrib/mini.py", "from IPython import display", "never looks at"),
    "an unknown module": ("huey/sundry.py", "", "huey.sundry is not in the picture; add it"),
    "an unknown file in storage": ("huey/storage/mongo.py", "", "not in the picture; add it"),
    "a card with a kernel": ("huey_jupyter/cards.py", "import IPython.display", "without a kernel"),
    "a view with a kernel": ("huey_jupyter/views/card.py", "import ipykernel", "without a kernel"),
    "the session in a view": ("huey_jupyter/views/card.py", "from ..session import S", "session"),
}
RIGHT = {
    "a module below it": ("huey/api.py", "from huey.utils import now"),
    "its left neighbour": ("huey/limits.py", "from huey import locks"),
    "a type": ("huey/utils.py", "if TYPE_CHECKING:\n    from huey.api import Huey"),
    "a neighbour in a folder": ("huey/contrib/mini.py", "from huey.contrib import asyncio"),
    "somebody else's package": ("huey/storage/redis.py", "import redis.client, asyncio.events"),
    "the engine in the notebook": ("huey_jupyter/cards.py", "from huey import signals"),
    "IPython where it belongs": ("huey_jupyter/magics.py", "from IPython.core import magic"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_import_is_named(case):
    path, source, expected = WRONG[case]
    (complaint,) = complaints({path: source})

    assert path in complaint or module_of(path) in complaint
    assert expected in complaint


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_import_is_left_alone(case):
    path, source = RIGHT[case]

    assert list(complaints({path: source})) == []


def test_a_kernel_is_found_behind_other_modules():
    sources = {
        "huey_jupyter/cards.py": "import IPython",
        "huey_jupyter/capture/__init__.py": "from huey_jupyter import cards",
        "huey_jupyter/views/card.py": "from huey_jupyter.capture import lines",
    }

    found = list(complaints(sources))

    assert any("views.card -> huey_jupyter.capture -> huey_jupyter.cards -> IP" in c for c in found)


def test_what_stands_beside_a_type_checking_block_still_counts():
    source = "if TYPE_CHECKING:\n    pass\nelse:\n    import huey.api"

    assert len(list(complaints({"huey/utils.py": source}))) == 1
