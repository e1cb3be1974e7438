"""The command line ``huey_consumer MODULE.HUEY``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from huey.api import Huey
from huey.consumer_options import consumer_options, make_parser, set_up_logging
from huey.exceptions import ConfigurationError


def load_huey(path: str) -> Huey:
    """Import the Huey that ``path`` names, like ``demo.huey``.

    :raises ConfigurationError: if there is none; the message says what to look at.
    """
    module_name, _, attribute = path.rpartition(".")
    if not module_name:
        raise ConfigurationError(
            f"{path!r} names no Huey: write MODULE.HUEY, like demo.huey for huey = MemoryHuey() "
            f"in demo.py"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"no module named {error.name!r} in {os.getcwd()} or on the Python path: "
            f"start where it can be imported"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Huey):
        raise ConfigurationError(f"{module_name} has no Huey named {attribute!r}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a consumer until it is told to stop; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    set_up_logging(options)
    sys.path.insert(0, os.getcwd())
    try:
        return load_huey(options.huey).create_consumer(**consumer_options(options)).run()
    except ConfigurationError as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
