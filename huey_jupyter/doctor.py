"""``huey_jupyter doctor``: what works here, what does not, and one cure for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from huey_jupyter.machine import Machine, look_around
from huey_jupyter.views.render import render
from huey_jupyter.views.words import plural


class Level(StrEnum):
    """How bad it is; the worst first."""

    problem = "problem"
    warning = "warning"
    ok = "ok"

    @property
    def shape(self) -> str:
        return {"problem": "✗", "warning": "!", "ok": "✓"}[self.value]

    @property
    def tone(self) -> str:
        return {"problem": "bad", "warning": "wait", "ok": "good"}[self.value]


class Finding(NamedTuple):
    """One thing looked at.

    :param what: in a word or two.
    :param level: how bad it is.
    :param says: a sentence.
    :param cure: what to do about it, empty if nothing.
    """

    what: str
    level: Level
    says: str
    cure: str = ""


class Report:
    """Findings, the bad ones first, as text and as HTML."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = sorted(findings, key=lambda finding: list(Level).index(finding.level))

    def __repr__(self) -> str:
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.level.shape} {finding.what:{width}}  {finding.says}")
            if finding.cure:
                lines.append(f"  {'':{width}}  → {finding.cure}")
        return "\n".join([self.summary, *lines])

    def _repr_html_(self) -> str:
        bad = [finding for finding in self.findings if finding.level is not Level.ok]
        good = [finding for finding in self.findings if finding.level is Level.ok]
        worst = self.findings[0].level if self.findings else Level.ok
        facts = {"summary": self.summary, "worst": worst, "bad": bad, "good": good}
        return render("doctor.html.j2", False, now=0.0, **facts)

    @property
    def summary(self) -> str:
        levels = [finding.level for finding in self.findings]
        counts = [(levels.count(one), one.value) for one in (Level.problem, Level.warning)]
        said = [plural(count, word) for count, word in counts if count]
        return ", ".join(said) if said else "all is well"

    @property
    def problems(self) -> int:
        return sum(finding.level is Level.problem for finding in self.findings)


def diagnose(session: Any = None, ip: Any = None) -> list[Finding]:
    """Look at this process and return what is found, the bad first.

    :param session: the notebook's session, None if there is none.
    :param ip: the shell, by default the session's.
    """
    return findings(look_around(session, ip))


def findings(machine: Machine) -> list[Finding]:
    """Return what there is to say of a machine, the bad first."""
    found = [finding for check in CHECKS for finding in check(machine)]
    return Report(found).findings


def main() -> int:
    """Print what is found here; return 1 if something cannot work."""
    report = Report(diagnose())
    print(report)
    return 1 if report.problems else 0


# --- packages ---


def _python(machine: Machine) -> Iterator[Finding]:
    version = ".".join(map(str, machine.python))
    if machine.python < (3, 11):
        yield Finding("python", Level.problem, f"{version} is too old.", "use Python 3.11 or later")
    else:
        yield Finding("python", Level.ok, version)


def _huey(machine: Machine) -> Iterator[Finding]:
    if "huey" in machine.versions:
        yield Finding(
            "huey",
            Level.problem,
            f"The distribution huey {machine.versions['huey']} is installed over our package huey.",
            "pip uninstall huey, then pip install --force-reinstall huey-jupyter",
        )
    else:
        yield Finding("huey", Level.ok, machine.versions.get("huey-jupyter", "from a folder"))


def _needed(machine: Machine) -> Iterator[Finding]:
    needed = {"ipython": "8.18", "ipywidgets": "8.1", "anywidget": "0.9.13", "cloudpickle": "3.1"}
    for name, oldest in needed.items():
        version = machine.versions.get(name)
        if version is None:
            cure = f"pip install '{name}>={oldest}'"
            yield Finding(name, Level.problem, "It is not installed.", cure)
        elif _parts(version) < _parts(oldest):
            cure = f"pip install '{name}>={oldest}'"
            yield Finding(name, Level.problem, f"{version} is too old.", cure)
        else:
            yield Finding(name, Level.ok, version)


def _ipykernel(machine: Machine) -> Iterator[Finding]:
    version = machine.versions.get("ipykernel")
    if machine.alone:
        return  # what goes by that name in a browser is another kernel
    if version is None:
        level = Level.problem if machine.place == "kernel" else Level.ok
        yield Finding("ipykernel", level, "It is not installed.", "pip install 'ipykernel>=7.1'")
    elif version.startswith("7.0."):
        says = f"{version} cannot show the output of background tasks."
        cure = "pip install 'ipykernel>=7.1', then restart the kernel"
        yield Finding("ipykernel", Level.problem, says, cure)
    elif _parts(version) < (6, 29):
        cure = "pip install 'ipykernel>=7.1', then restart the kernel"
        yield Finding("ipykernel", Level.problem, f"{version} is too old.", cure)
    elif _parts(version) < (7,) or (machine.place == "kernel" and not machine.subshells):
        says = f"{version}: a button acts only when the running cell has ended."
        cure = "pip install 'ipykernel>=7.1', then restart the kernel"
        yield Finding("ipykernel", Level.warning, says, cure)
    else:
        yield Finding("ipykernel", Level.ok, f"{version}: buttons act while a cell runs.")


# --- the page ---


def _page(machine: Machine) -> Iterator[Finding]:
    if machine.place != "kernel":
        says = "There is no page here: cards are shown as text."
        yield Finding("front end", Level.ok, says)
    elif machine.alone:
        says = "The page and this kernel are one: a button acts when the running cell gives way."
        yield Finding("front end", Level.ok, says)
    elif "COLAB_RELEASE_TAG" in machine.environ:
        says = "Colab does not take what widgets are told from a thread: a card stands still."
        cure = "look again with %huey wait; cards are right at their end"
        yield Finding("front end", Level.warning, says, cure)
    elif "JPY_SESSION_NAME" in machine.environ:
        yield Finding("front end", Level.ok, "A Jupyter server: JupyterLab or Notebook.")
    elif "VSCODE_PID" in machine.environ and "TERM_PROGRAM" not in machine.environ:
        says = "VS Code: cards are live; a notebook saved while a task runs has them as text."
        yield Finding("front end", Level.ok, says)
    else:
        says = "No page that we know: nbclient, nbconvert or papermill. Cards are right at the end."
        cure = "end the notebook with a cell of %huey wait"
        yield Finding("front end", Level.ok, says, cure)


def _widgets(machine: Machine) -> Iterator[Finding]:
    if machine.alone:
        return
    lab, manager = machine.versions.get("jupyterlab"), machine.versions.get("jupyterlab-widgets")
    if lab is None:
        says = "The Jupyter server is not in this Python: where it is, jupyterlab_widgets must be."
        yield Finding("widget manager", Level.ok, says)
    elif _parts(lab) < (4,):
        says = f"JupyterLab {lab} is older than the cards are made for."
        yield Finding("widget manager", Level.warning, says, "pip install 'jupyterlab>=4.2'")
    elif manager is None or not machine.lab_manager or _parts(manager) < (3,):
        says = "JupyterLab shows no widgets: cards stand still."
        cure = "pip install 'jupyterlab_widgets>=3', then load the page anew"
        yield Finding("widget manager", Level.problem, says, cure)
    else:
        says = f"jupyterlab_widgets {manager} for JupyterLab {lab}"
        notebook = machine.versions.get("notebook")
        yield Finding(
            "widget manager", Level.ok, f"{says} and Notebook {notebook}" if notebook else says
        )


def _figures(machine: Machine) -> Iterator[Finding]:
    backend = machine.backend.lower().removeprefix("module://").rpartition(".")[2]
    windows = ("tk", "qt", "gtk", "wx", "mac", "web", "nb")
    if backend.startswith(windows):
        says = f"The backend {machine.backend} opens windows, which a worker's thread cannot."
        yield Finding("matplotlib", Level.warning, says, "%matplotlib inline")
    elif "matplotlib" in machine.versions:
        loaded = f", backend {machine.backend}" if machine.backend else ", not loaded yet"
        yield Finding("matplotlib", Level.ok, machine.versions["matplotlib"] + loaded)
    else:
        yield Finding("matplotlib", Level.ok, "It is not installed; only figures need it.")


# --- the machine ---

NETWORKS: Final = re.compile(r"^(nfs|cifs|smb|9p|afs|ceph|fuse|gluster|lustre|beegfs|gpfs|v9fs)")
MEGABYTE: Final = 1_000_000
START: Final = "%huey start"


def _folder(machine: Machine) -> Iterator[Finding]:
    if not machine.writable:
        says = f"{machine.folder} cannot be written, so no queue can be kept here."
        yield Finding("folder", Level.problem, says, "%huey use sqlite:/tmp/huey.db")
    elif NETWORKS.match(machine.file_system):
        says = (
            f"{machine.folder} is on a network ({machine.file_system}), and the journal of a "
            f"Sqlite queue (WAL) needs a local disk."
        )
        yield Finding("folder", Level.warning, says, "%huey use sqlite:/tmp/huey.db")
    else:
        kind = f" ({machine.file_system})" if machine.file_system else ""
        yield Finding("folder", Level.ok, f"{machine.folder}{kind} can be written.")


def _disk(machine: Machine) -> Iterator[Finding]:
    free = f"{machine.free / 1e9:,.1f} GB are free on the disk."
    if machine.free < 100 * MEGABYTE:
        yield Finding("disk", Level.problem, free, "make room: a full disk stops the queue")
    elif machine.free < 1000 * MEGABYTE:
        yield Finding("disk", Level.warning, free, "make room before results are large")
    else:
        yield Finding("disk", Level.ok, free)


def _processes(machine: Machine) -> Iterator[Finding]:
    if machine.alone:
        yield Finding("processes", Level.ok, "There are none: workers take turns with the cells.")
    elif not machine.can_fork:
        says = "This system cannot fork, so there are no worker processes."
        yield Finding("processes", Level.warning, says, "%huey start -k thread")
    elif machine.shared_memory is False:
        says = "/dev/shm cannot be written, where worker processes keep their locks."  # noqa: S108
        cure = "start the container with --shm-size=256m, or %huey start -k thread"
        yield Finding("processes", Level.warning, says, cure)
    else:
        yield Finding("processes", Level.ok, "Workers can be processes.")


def _waiting(machine: Machine) -> Iterator[Finding]:
    if machine.can_wait:
        return
    says = "This browser cannot let a plain function wait: get(blocking=True) is refused."
    cure = "write `await result`, or take a browser with JSPI, such as Chrome, Edge or Firefox"
    yield Finding("waiting", Level.warning, says, cure)


def _queue(machine: Machine) -> Iterator[Finding]:
    if machine.url == "memory":
        yield Finding("queue", Level.ok, "In memory: it ends with the kernel.")
    elif machine.queue is not None and machine.queue.error:
        says = f"{machine.queue.where} cannot be used: {machine.queue.error}."
        yield Finding("queue", Level.problem, says, "%huey use sqlite:ANOTHER.db")
    elif machine.queue is not None:
        yield Finding("queue", Level.ok, f"In {machine.queue.where}.")


def _workers(machine: Machine) -> Iterator[Finding]:
    if machine.failure:
        why = machine.failure.partition("\n")[0].partition(";")[0]
        yield Finding("workers", Level.problem, f"{why[:1].upper()}{why[1:]}.", START)
    elif machine.workers == 0 and machine.waiting:
        says = f"{plural(machine.waiting, 'task')} in the queue, and no worker is running."
        yield Finding("workers", Level.warning, says, START)
    elif machine.workers == 0:
        yield Finding("workers", Level.ok, f"None is running; {START} starts some.")
    elif machine.workers is not None:
        yield Finding("workers", Level.ok, f"{plural(machine.workers, 'worker')} for this queue.")


def _redis(machine: Machine) -> Iterator[Finding]:
    answer = machine.redis
    if answer is None:
        return
    ours = machine.url.partition(":")[0] in ("redis", "rediss", "unix")
    if answer.error and not ours:
        says = f"No server at {answer.where}; only %huey use redis needs one."
        yield Finding("redis", Level.ok, says)
    elif answer.error:
        cure = "start redis-server there, or %huey use with another URL"
        yield Finding("redis", Level.problem, f"{answer.where}: {answer.error}.", cure)
    elif _parts(answer.version) < (6, 2):
        says = f"The server at {answer.where} is Redis {answer.version}."
        yield Finding("redis", Level.problem, says, "install Redis 6.2 or later, or Valkey")
    else:
        yield Finding("redis", Level.ok, f"Redis {answer.version} answers at {answer.where}.")


def _lag(machine: Machine) -> Iterator[Finding]:
    if machine.lag is None:
        return
    says = f"A thread of this kernel waits {machine.lag * 1000:.0f} ms for its turn."
    if machine.lag > 0.3:
        cure = "run heavy tasks in processes: %huey start -k process"
        if machine.alone:
            cure = "let a long task report progress: there others have their turn"
        yield Finding("kernel lag", Level.warning, says, cure)
    else:
        yield Finding("kernel lag", Level.ok, says)


CHECKS: Final[tuple[Callable[[Machine], Iterator[Finding]], ...]] = (
    *(_huey, _python, _ipykernel, _needed, _page, _widgets, _figures),
    *(_queue, _workers, _redis, _folder, _disk, _processes, _waiting, _lag),
)


def _parts(version: str) -> tuple[int, ...]:
    """Return a version's numbers, up to what is not one.

    >>> _parts("7.1.0rc1"), _parts("8")
    ((7, 1, 0), (8,))
    """
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()
