"""``%%huey_task``, ``%%huey_map``, ``%huey``: one line in a cell to one call of the session."""

from __future__ import annotations

import argparse
import ast
import datetime
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar, cast

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    cell_magic,
    line_magic,
    magics_class,
    no_var_expand,
)
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from huey.exceptions import HueyException, TaskException
from huey.executor import one_line
from huey.results import Result, ResultGroup
from huey_jupyter import commands
from huey_jupyter.cells import is_name, parse_export
from huey_jupyter.options import RERUNS, parse_when
from huey_jupyter.session import Session

F = TypeVar("F", bound=Callable[..., Any])

NOT_WAITING = "No longer waiting. The tasks go on; %huey cancel all stops them."

ARGUMENTS: Final = (
    argument("-o", "--out", default="", metavar="VAR", help="Bind the result to this variable."),
    argument("--share", action="store_true", help="Run on the notebook's own names, not a copy."),
    argument("--process", action="store_true", help="Run in a worker process."),
    argument("-b", "--wait", action="store_true", help="Wait for the end; raise if it fails."),
    argument(
        "--export",
        default=None,
        metavar="NAMES",
        help="Names that come back into the notebook when the task is done: auto (all that the "
        "cell binds), none, or a,b,c.",
    ),
    argument("-r", "--retries", type=int, metavar="N", help="Try N times more after an error."),
    argument("--retry-delay", type=float, metavar="SECONDS", help="Pause between tries."),
    argument("--retry-backoff", type=float, metavar="FACTOR", help="By which the pause grows."),
    argument("--delay", type=float, metavar="SECONDS", help="Do not start before."),
    argument("--eta", default="", metavar="WHEN", help="Do not start before, say 17:30."),
    argument(
        "--every", default="", metavar="CRON", help='Run in these minutes, say "*/5 * * * *".'
    ),
    argument("-p", "--priority", type=float, metavar="N", help="Higher numbers run first."),
    argument("--timeout", type=float, metavar="SECONDS", help="How long one try may take."),
    argument("--expires", type=float, metavar="SECONDS", help="Do not start after."),
    argument("--lock", default="", metavar="NAME", help="Run only while no other holds it."),
    argument("--after", default="", metavar="VAR", help="Start when this result is done."),
    argument(
        "--on-rerun",
        choices=RERUNS,
        default=None,
        help="If the cell's last run has not ended: auto shows it, or replaces it if the cell "
        "has changed; queue runs it besides; replace cancels it.",
    ),
    argument("--notify", action="store_true", help="Tell the reader when it has ended."),
    argument("--quiet", action="store_true", help="Show no card."),
)


def cell_arguments(magic: F) -> F:
    """Give a cell magic the options of `CellOptions`."""
    for one in reversed(ARGUMENTS):
        magic = one(magic)
    return magic


@magics_class
class HueyMagics(Magics):  # type: ignore[misc]  # IPython is Any to the type checker
    """The magics of one session."""

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session

    @magic_arguments()
    @argument("name", nargs="?", default="", help="What the card calls the task.")
    @cell_arguments
    @cell_magic
    def huey_task(self, line: str, cell: str) -> None:
        """Hand this cell to the queue and go on working.

        The cell runs on a snapshot of the notebook's names; the value of its last expression is
        the task's result.
        """
        options = _parse(self.huey_task, line)
        if options.every and options.wait:
            raise UsageError("--every and --wait cannot go together")
        given = self._options(options)
        first = f"%%huey_task {line}"
        result = self._hand_over(
            lambda: self.session.run_cell(cell, _bare(options.name), line=first, **given)
        )
        self._finish(result, options)

    @magic_arguments()
    @argument("-n", "--name", default="", metavar="NAME", help="What the grid calls the tasks.")
    @cell_arguments
    @no_var_expand
    @cell_magic
    def huey_map(self, line: str, cell: str) -> None:
        """Hand this cell to the queue once for each item: ``%%huey_map x, y in EXPR``.

        The names are bound to the items as in a ``for``; the values of the last expressions are
        the results, in their order. The tasks are shown as one grid.
        """
        targets, expression, options = self._read_map(line)
        given = self._options(options)
        for name in ("every", "after"):
            if getattr(options, name):
                raise UsageError(f"--{name} is not for %%huey_map")
        items = self._items(expression)
        first = f"%%huey_map {line}"
        results = self._hand_over(
            lambda: self.session.map_cell(
                cell, targets, items, _bare(options.name), line=first, **given
            )
        )
        self._finish(results, options)

    @line_magic
    def huey(self, line: str) -> None:
        """Say how the queue is, and rule it."""
        try:
            commands.obey(self.session, line)
        except commands.Interrupted:
            raise _quiet("Interrupted", NOT_WAITING, [NOT_WAITING]) from None
        except (LookupError, ValueError, HueyException) as error:
            raise UsageError(str(error)) from None
        except Exception as error:
            self._tell_outage(error)
            raise

    huey.__doc__ = commands.manual()

    # -- within -----------------------------------------------------------------------------------

    def _options(self, options: argparse.Namespace) -> dict[str, Any]:
        """Return what the options say in the words of `CellOptions`."""
        out = _bare(options.out)
        if out and not is_name(out):
            raise UsageError(f"-o takes the name of a variable, not {out!r}")
        if out and self.shell.user_ns.get(out) is self.session.huey:
            raise UsageError(f"-o {out} would hide the queue: choose another name")
        plain = ("retries", "retry_delay", "retry_backoff", "delay", "priority", "timeout")
        given = {name: getattr(options, name) for name in (*plain, "expires", "on_rerun")}
        given = {name: value for name, value in given.items() if value is not None}
        for name in ("share", "process", "notify", "quiet"):
            given |= {name: True} if getattr(options, name) else {}
        given |= {n: _bare(getattr(options, n)) for n in ("every", "lock") if getattr(options, n)}
        try:
            if options.export is not None:
                given["export"] = parse_export(_bare(options.export))
            if options.eta:
                given["eta"] = parse_when(_bare(options.eta), datetime.datetime.now())
        except ValueError as error:
            raise UsageError(str(error)) from None
        if options.after:
            given["after"] = self._result_named(_bare(options.after))
        return given

    def _items(self, expression: str) -> Iterator[Any]:
        """Return what an expression of the notebook goes through."""
        try:
            return iter(self.shell.ev(expression))
        except Exception as error:
            name = type(error).__name__
            raise UsageError(f"%%huey_map cannot use {expression}: {name}: {error}") from None

    def _result_named(self, name: str) -> Any:
        found = self.shell.user_ns.get(name)
        if not isinstance(found, (Result, ResultGroup)):
            raise UsageError(f"--after takes a variable that holds a result; {name!r} does not")
        return found

    def _hand_over(self, call: Callable[[], Any]) -> Any:
        """Call the session; what is wrong with a cell is told as IPython tells it."""
        try:
            return call()
        except SyntaxError as error:
            raise _cell_error(self.shell, error) from None
        except (ValueError, HueyException) as error:
            raise UsageError(str(error)) from None
        except Exception as error:
            self._tell_outage(error)
            raise

    def _tell_outage(self, error: Exception) -> None:
        """Say in one line that the queue's place cannot be reached, if that is what is wrong."""
        huey = self.session.huey
        if huey.storage.is_outage(error):
            raise UsageError(f"{huey.place} cannot be reached: {one_line(error)}") from None

    def _finish(self, result: Any, options: argparse.Namespace) -> None:
        """Bind the result and wait for it, if that was asked for."""
        if options.out:
            self.shell.user_ns[_bare(options.out)] = result
        if not options.wait or isinstance(result, str):
            return
        singles = [result] if isinstance(result, Result) else list(result)
        if not self.session.wait(*(single.id for single in singles)):
            raise _quiet("Interrupted", NOT_WAITING, [NOT_WAITING])
        if not (options.quiet or self.session.displays.in_kernel):
            self.session.show(result)  # what was shown in a terminal stays as it was
        for single in singles:
            _raise_if_failed(single)

    def _read_map(self, line: str) -> tuple[str, str, argparse.Namespace]:
        """Return the names, the expression and the options of a line after ``%%huey_map``."""
        targets, found, rest = line.partition(" in ")
        try:
            ast.parse(f"for {targets} in (): pass")
        except SyntaxError:
            found = ""
        if not found:
            raise UsageError(f"%%huey_map takes NAMES in EXPRESSION, not {line!r}")
        places = [n for n in range(len(rest)) if rest[n : n + 2] == " -"]
        for place in (*places, len(rest)):
            expression = rest[:place].strip()
            if _is_expression(expression):
                options = self.shell.var_expand(rest[place:], depth=2)
                return targets, expression, _parse(self.huey_map, options)
        raise UsageError(f"%%huey_map takes NAMES in EXPRESSION, and {rest!r} is none")


def _parse(magic: Any, line: str) -> argparse.Namespace:
    """Read the options of a cell magic; what is wrong with them is told in a sentence."""
    name = magic.__name__
    try:
        return cast(argparse.Namespace, parse_argstring(magic, line))
    except ValueError as error:
        raise UsageError(f"%%{name} {line.strip()}: {error}") from None
    except UsageError as error:
        if "unrecognized" not in str(error):
            raise
        advice = f"put quotes around what has spaces; %%{name}? shows the options"
        raise UsageError(f"{error}: {advice}") from None


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _bare(text: str) -> str:
    """Return an option's value without the quotes around it."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _quiet(name: str, message: str, lines: list[str]) -> Exception:
    """Return an exception that IPython shows as ``lines`` alone."""
    shown: Any = type(name, (Exception,), {})(message)
    shown._render_traceback_ = lambda: lines
    return cast(Exception, shown)


def _cell_error(ip: Any, error: SyntaxError) -> Exception:
    """Return an exception that IPython shows as it shows a cell's own SyntaxError.

    Raised as it is, it would be shown with every frame between the magic and the compiler.
    """
    lines = ip.SyntaxTB.structured_traceback(type(error), error, [])
    return _quiet("SyntaxError", error.msg, lines)


def _raise_if_failed(result: Result[Any]) -> None:
    try:
        result.get(blocking=True, preserve=True)
    except TaskException as error:
        failed = type(error) is TaskException  # the others say themselves what became of it
        raise UsageError(f"the task failed: {error}" if failed else str(error)) from None
