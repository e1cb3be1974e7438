"""What holds for cells where nothing else is said."""

from __future__ import annotations

from typing import Any, Final

from huey_jupyter.cells import parse_export
from huey_jupyter.options import CellOptions

SIMPLE: Final = ("retries", "retry_delay", "on_rerun", "notify", "quiet")
YES_OR_NO: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Settings:
    """The options of cells that were not given with a cell."""

    def __init__(self) -> None:
        self._chosen: dict[str, Any] = {}

    def options(self, **given: Any) -> CellOptions:
        """Return a cell's options: those given with it, else what was set, else as they are.

        :raises ValueError: if one of them cannot be what it is.
        """
        return CellOptions(**{**self._chosen, **given})

    def change(self, key: str, text: str) -> None:
        """Set one.

        :raises ValueError: if there is no such setting, or it cannot be that.
        """
        if key != "export" and key not in SIMPLE:
            names = ", ".join(("workers", "export", *SIMPLE))
            raise ValueError(f"%huey config takes KEY=VALUE, where KEY is one of {names}")
        chosen = {**self._chosen, key: self._read(key, text)}
        CellOptions(**chosen)
        self._chosen = chosen

    def told(self) -> dict[str, Any]:
        """Return all of them, as people write them."""
        options = self.options()
        names = options.export
        export = "auto" if names is None else ",".join(sorted(names)) or "none"
        return {**{key: getattr(options, key) for key in SIMPLE}, "export": export}

    def _read(self, key: str, text: str) -> Any:
        if key == "export":
            return parse_export(text)
        kind = type(getattr(CellOptions(), key))
        try:
            return YES_OR_NO[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            wanted = {bool: "yes or no", str: "a word"}.get(kind, "a number")
            raise ValueError(f"{key} is {wanted}, not {text!r}") from None
