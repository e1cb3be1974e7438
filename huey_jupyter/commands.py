"""The sub-commands of ``%huey``: what each takes, and the one call of the session that it is."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from IPython.core.error import UsageError
from IPython.display import display

from huey_jupyter.session import Session
from huey_jupyter.states import State
from huey_jupyter.views import log_text, status_html, status_text, tasks_html, tasks_text

PLACES: Final = ("memory", "sqlite", "redis", "file:")
ANY_TASK: Final = "the beginning of a task's id, or its name"


class Shown:
    """An answer that is HTML in a notebook and text in a terminal."""

    def __init__(self, html: str, text: str) -> None:
        self._html = html
        self._text = text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Argument(NamedTuple):
    """One argument of a sub-command, as argparse takes it."""

    names: tuple[str, ...]
    options: dict[str, Any]


Run = Callable[[Session, argparse.Namespace], Any]
"""Carries out a sub-command with the arguments read; what it returns is shown."""


class Command(NamedTuple):
    """One sub-command.

    :param does: what it does, in a sentence.
    :param arguments: what it takes.
    :param run: carries it out.
    """

    does: str
    arguments: tuple[Argument, ...]
    run: Run


def argument(*names: str, **options: Any) -> Argument:
    return Argument(names, options)


# -- what they do ---------------------------------------------------------------------------------


def _status(session: Session, options: argparse.Namespace) -> Any:
    facts = session.status()
    return Shown(status_html(facts), status_text(facts))


def _then_say(rule: Callable[[Session, argparse.Namespace], object]) -> Run:
    """Return what carries out a rule and shows how the queue is then."""

    def run(session: Session, options: argparse.Namespace) -> Any:
        rule(session, options)
        return _status(session, options)

    return run


def _reconnect(session: Session, options: argparse.Namespace) -> Any:
    count = session.reconnect(options.where)
    return f"{_tasks(count)} in {session.huey.place}"


def _list(session: Session, options: argparse.Namespace) -> Any:
    cards = session.tasks(options.state)
    return Shown(tasks_html(cards, now=session.now), tasks_text(cards, session.now))


def _show(session: Session, options: argparse.Namespace) -> Any:
    result = session.show_task(options.task)
    if options.out:
        session.ip.user_ns[options.out] = result


def _log(session: Session, options: argparse.Namespace) -> Any:
    session.find(options.task)
    return log_text(session.board.card(session.find(options.task)))


def _cancel(session: Session, options: argparse.Namespace) -> Any:
    count = session.cancel(options.task)
    asked = f"{_tasks(count)} asked to stop"
    return asked if count else "no task to stop: it has ended, or was asked already"


def _retry(session: Session, options: argparse.Namespace) -> Any:
    count = session.retry(options.task)
    return f"{_tasks(count)} handed over again" if count else "no task has failed"


def _wait(session: Session, options: argparse.Namespace) -> Any:
    if not session.wait(*options.tasks):
        raise Interrupted


def _clear(session: Session, options: argparse.Namespace) -> Any:
    return f"{_tasks(session.clear())} forgotten"


def _dashboard(session: Session, options: argparse.Namespace) -> Any:
    session.dashboard()


def _slow(session: Session, options: argparse.Namespace) -> Any:
    session.lesson.slow(options.seconds)
    if not options.seconds:
        return "no task waits before it begins"
    return f"each task waits {options.seconds:g} s before it begins: %huey slow 0 ends that"


def _fail(session: Session, options: argparse.Namespace) -> Any:
    session.lesson.fail(options.share)
    if not options.share:
        return "no task is chosen to fail"
    return f"{options.share:.0%} of the tasks fail: %huey fail 0 ends that".replace("%", " %", 1)


def _export(session: Session, options: argparse.Namespace) -> Any:
    return session.export(options.file, force=options.force)


def _config(session: Session, options: argparse.Namespace) -> Any:
    settings = session.config(*options.settings)
    return "\n".join(f"{key} = {value}" for key, value in settings.items())


def _doctor(session: Session, options: argparse.Namespace) -> Any:
    return session.doctor()


class Interrupted(Exception):
    """The waiting was interrupted; the tasks go on."""


def _tasks(count: int) -> str:
    return f"{count:,} task" if count == 1 else f"{count:,} tasks"


# -- the table ------------------------------------------------------------------------------------

COUNT = argument("-w", "--workers", type=int, metavar="N", help="how many tasks run at once")
KIND = argument(
    "-k", "--kind", choices=("thread", "process"), help="threads of this kernel, or processes"
)
DETACH = argument("--detach", action="store_true", help="let processes outlive the kernel")
WHERE = "memory, sqlite[:PATH], redis[:URL], file:DIR, or a variable that holds a Huey"
MOVE = argument("--move", action="store_true", help="take waiting and scheduled tasks along")
LEAVE = argument("--leave", action="store_true", help="leave them where they are")
TASK = argument("task", metavar="ID", help=ANY_TASK)
OUT = argument("-o", "--out", default="", metavar="VAR", help="bind its result to this variable")

COMMANDS: Final[dict[str, Command]] = {
    "status": Command("Say how the queue is; the same as %huey alone.", (), _status),
    "start": Command(
        "Start workers, or have another number or kind.",
        (COUNT, KIND, DETACH),
        _then_say(lambda s, o: s.start(o.workers, o.kind or "", detach=o.detach)),
    ),
    "stop": Command(
        "Stop the workers; what runs goes back to the queue.", (), _then_say(lambda s, o: s.stop())
    ),
    "restart": Command(
        "Stop when running tasks have ended, and start anew.",
        (),
        _then_say(lambda s, o: s.restart()),
    ),
    "pause": Command(
        "Finish what runs and begin nothing more.", (), _then_say(lambda s, o: s.pause())
    ),
    "resume": Command("Go on after a pause.", (), _then_say(lambda s, o: s.resume())),
    "use": Command(
        "Keep the queue somewhere else.",
        (argument("where", metavar="WHERE", help=WHERE), MOVE, LEAVE),
        _then_say(lambda s, o: s.use(o.where, move=o.move, leave=o.leave)),
    ),
    "reconnect": Command(
        "Go back to the queue that was used before the kernel was restarted.",
        (argument("where", nargs="?", default="", metavar="WHERE", help=WHERE),),
        _reconnect,
    ),
    "tasks": Command(
        "List tasks.",
        (argument("state", nargs="?", default="", metavar="STATE", help="only those"),),
        _list,
    ),
    "show": Command("Show the card of a task.", (TASK, OUT), _show),
    "log": Command("Print all output of a task.", (TASK,), _log),
    "cancel": Command(
        "Stop a task: keep it from starting, or ask it to end.",
        (argument("task", metavar="ID|all", help=f"{ANY_TASK}, or all"),),
        _cancel,
    ),
    "retry": Command(
        "Run a task again.",
        (argument("task", metavar="ID|failed", help=f"{ANY_TASK}, or failed for all that have"),),
        _retry,
    ),
    "wait": Command(
        "Wait until tasks have ended; without ids all that are not scheduled for later.",
        (argument("tasks", nargs="*", metavar="ID", help=ANY_TASK),),
        _wait,
    ),
    "clear": Command(
        "Forget the tasks that are over, their values, and code that no task needs.", (), _clear
    ),
    "dashboard": Command("Show workers, queue and schedule as they go.", (), _dashboard),
    "lanes": Command("The same as dashboard.", (), _dashboard),
    "step": Command(
        "For lessons: pause, and have one task begun.", (), _then_say(lambda s, o: s.step())
    ),
    "slow": Command(
        "For lessons: have each task wait before it begins.",
        (argument("seconds", type=float, metavar="SECONDS", help="how long; 0 ends that"),),
        _slow,
    ),
    "fail": Command(
        "For lessons: have some tasks fail.",
        (argument("share", type=float, metavar="SHARE", help="how many, 0 to 1; 0 ends that"),),
        _fail,
    ),
    "export": Command(
        "Write the notebook's task functions as a module for huey_consumer.",
        (
            argument("file", metavar="FILE.py", help="what to write"),
            argument("--force", action="store_true", help="replace any file"),
        ),
        _export,
    ),
    "config": Command(
        "Say or change what holds where nothing else is said.",
        (argument("settings", nargs="*", metavar="KEY=VALUE", help="such as workers=4"),),
        _config,
    ),
    "doctor": Command("Say what works here and what does not.", (), _doctor),
}


HELP: Final = ("help", "-h", "--help")

# -- reading a line -------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.format_usage().strip()}: {message}")


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return what reads the arguments of a sub-command."""
    command = COMMANDS[name]
    parser = _Parser(prog=f"%huey {name}", description=command.does, add_help=False)
    for names, options in command.arguments:
        parser.add_argument(*names, **options)
    return parser


def obey(session: Session, line: str) -> None:
    """Carry out a line after ``%huey``.

    :raises UsageError: if it cannot be understood; it says what can.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%huey {line}: {error}") from None
    name, *rest = words or ["status"]
    if name in HELP:
        print(manual())
        return
    if name not in COMMANDS:
        raise UsageError(f"%huey knows {', '.join(COMMANDS)}, not {name!r}")
    answer = COMMANDS[name].run(session, parser_of(name).parse_args(rest))
    if isinstance(answer, str):
        print(answer)
    elif answer is not None:
        display(answer)


def manual() -> str:
    """Return what ``%huey?`` shows: every sub-command with what it takes."""
    lines = ["Say how the queue is, and rule it.\n"]
    for name, command in COMMANDS.items():
        usage = " ".join(parser_of(name).format_usage().removeprefix("usage: ").split())
        lines.append(f"{usage}\n    {command.does}")
        for names, options in command.arguments:
            shown = ", ".join(names) if names[0].startswith("-") else options["metavar"]
            lines.append(f"        {shown}: {options['help']}")
    return "\n".join(lines)


# -- completing -----------------------------------------------------------------------------------


def complete(session: Session, words: list[str]) -> list[str]:
    """Return what may stand as the last of the words after ``%huey``."""
    if len(words) <= 1:
        return list(COMMANDS)
    name, last = words[0], words[-1]
    if name not in COMMANDS:
        return []
    if last.startswith("-"):
        return [n for names, _ in COMMANDS[name].arguments for n in names if n[:1] == "-"]
    if name in ("use", "reconnect"):
        return list(PLACES)
    if name == "tasks":
        return [state.word for state in State]
    if name in ("show", "log", "cancel", "retry", "wait"):
        extra = {"cancel": ["all"], "retry": ["failed"]}.get(name, [])
        return [*extra, *session.ids()]
    if words[-2] in ("-k", "--kind"):
        return ["thread", "process"]
    return [f"{key}=" for key in session.config()] if name == "config" else []
