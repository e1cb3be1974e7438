"""Being told when a module has been imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Greet = Callable[[ModuleType], None]


class Arrivals(MetaPathFinder):
    """Calls a function with each module waited for, once it is there.

    :param awaited: what to call, by the module's name.
    """

    def __init__(self, awaited: dict[str, Greet]) -> None:
        self._awaited = awaited

    def start(self) -> None:
        """Greet the modules that are there already, and wait for the others."""
        sys.meta_path.insert(0, self)
        for name, greet in self._awaited.items():
            if name in sys.modules:
                greet(sys.modules[name])

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module as it would be found without this, and have it greeted when loaded."""
        if name not in self._awaited:
            return None
        others = [finder for finder in list(sys.meta_path) if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._see_to(spec.loader, self._awaited[name])
        return spec

    def _see_to(self, loader: object, greet: Greet) -> None:
        load: Greet | None = getattr(loader, "exec_module", None)
        if load is None:
            return

        def exec_module(module: ModuleType) -> None:
            load(module)
            if self in sys.meta_path:
                greet(module)

        loader.exec_module = exec_module  # type: ignore[attr-defined]  # made for this one module
