"""The rest of a lesson skipped, where something is missing that it cannot do without."""

from __future__ import annotations

import re
from typing import Final

from IPython.core.getipython import get_ipython

KEPT: Final = re.compile(r"redis_server\(|^\s*hint\(|^\s*%load_ext")
CHECK: Final = re.compile(r"""^\s*check\(["']([\d.]+)["']""")


class Skipper:
    """Puts another cell in the place of each that is run.

    What looks for the missing thing again stays, and so do hints. A check says TODO.

    :param says: what is printed instead.
    """

    def __init__(self, says: str) -> None:
        self.says = says

    def __call__(self, lines: list[str]) -> list[str]:
        cell = "".join(lines)
        if not cell.strip() or KEPT.search(cell):
            return lines
        if found := CHECK.search(cell):
            return [f'check("{found[1]}", ...)\n']
        return [f"print({self.says!r})\n"]


def skip_cells(says: str) -> None:
    """Have the cells that follow print this instead of being run; go on as usual if it is empty."""
    shell = get_ipython()
    if shell is None:
        return
    steps = shell.input_transformers_cleanup
    steps[:] = [step for step in steps if not isinstance(step, Skipper)]
    if says:
        steps.insert(0, Skipper(says))
