"""``%%huey_task`` and ``%huey``: one line in a cell to one method of the session."""

from __future__ import annotations

from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from huey.exceptions import HueyException, TaskException
from huey.results import Result
from huey_jupyter.cells import is_name, parse_export
from huey_jupyter.session import Session
from huey_jupyter.views import status_html, status_text


class _Status:
    """The answer of ``%huey``."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def _repr_html_(self) -> str:
        return status_html(self.facts)

    def __repr__(self) -> str:
        return status_text(self.facts)


@magics_class
class HueyMagics(Magics):  # type: ignore[misc]  # IPython is Any to the type checker
    """The magics of one session."""

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session

    @magic_arguments()
    @argument("name", nargs="?", default="", help="What the card calls the task.")
    @argument("-o", "--out", default="", metavar="VAR", help="Bind the result to this variable.")
    @argument(
        "-b",
        "--wait",
        action="store_true",
        help="Wait until it has ended; raise if it fails.",
    )
    @argument(
        "-r",
        "--retries",
        type=int,
        default=0,
        metavar="N",
        help="Try N times more after an error.",
    )
    @argument(
        "--retry-delay", type=float, default=0, metavar="SECONDS", help="Pause between tries."
    )
    @argument(
        "--export",
        default="auto",
        metavar="NAMES",
        help="Names that come back into the notebook when the task is done: auto (all that the "
        "cell binds), none, or a,b,c.",
    )
    @cell_magic
    def huey_task(self, line: str, cell: str) -> None:
        """Hand this cell to the queue and go on working.

        The cell runs on a snapshot of the notebook's names; the value of its last expression is
        the task's result.
        """
        options = parse_argstring(self.huey_task, line)
        out = _bare(options.out)
        if out and not is_name(out):
            raise UsageError(f"-o takes the name of a variable, not {out!r}")
        if options.retries < 0 or options.retry_delay < 0:
            raise UsageError("--retries and --retry-delay take numbers that are not negative")
        try:
            export = parse_export(_bare(options.export))
        except ValueError as error:
            raise UsageError(str(error)) from None
        try:
            result = self.session.run_cell(
                cell,
                _bare(options.name),
                line=f"%%huey_task {line}",
                export=export,
                retries=options.retries,
                retry_delay=options.retry_delay,
            )
        except SyntaxError as error:
            raise _cell_error(self.shell, error) from None
        if out:
            self.shell.user_ns[out] = result
        if options.wait:
            self._wait(result.id)
            _raise_if_failed(result)

    @magic_arguments()
    @argument("command", nargs="?", default="status", help="status, wait or cancel.")
    @argument("what", nargs="?", default="", help="The beginning of a task's id; cancel takes all.")
    @line_magic
    def huey(self, line: str) -> None:
        """Say how the queue is, wait for tasks, or cancel them.

        ``%huey`` alone is one line on workers and tasks; ``%huey wait`` waits until everything is
        done that is not scheduled for later; ``%huey cancel all`` stops it.
        """
        options = parse_argstring(self.huey, line)
        try:
            self._obey(options.command, options.what)
        except (LookupError, HueyException) as error:
            raise UsageError(str(error)) from None

    def _obey(self, command: str, what: str) -> None:
        if command == "status":
            display(_Status(self.session.status()))
        elif command == "wait":
            self._wait(what)
        elif command == "cancel":
            if not what:
                raise UsageError("say which task: %huey cancel ID, or %huey cancel all")
            count = self.session.cancel(what)
            asked = f"{count} {'task' if count == 1 else 'tasks'} asked to stop"
            print(asked if count else "no task to stop: it has ended, or was asked already")
        else:
            raise UsageError(f"%huey knows status, wait and cancel, not {command!r}")

    def _wait(self, task_id: str) -> None:
        """Wait; after an interrupt the cell ends here, and so does Run All."""
        if not self.session.wait(task_id):
            why = "No longer waiting. The tasks go on; %huey cancel all stops them."
            raise _quiet("Interrupted", why, [why])


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
        raise UsageError(f"the task failed: {error}") from None
