"""What runs outside the kernel: a consumer whose tasks have a shell, as in the notebook."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from huey.exceptions import ConfigurationError
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.capture import Capture
from huey_jupyter.capture.descriptors import Descriptors
from huey_jupyter.reprs import Storyteller


def _tell_nobody(sentence: str) -> None:
    """Tell nobody."""


def run_worker(
    url: str,
    name: str = "notebook",
    workers: int = 1,
    worker_type: str = "process",
    tell: Callable[[str], None] = _tell_nobody,
    **options: Any,
) -> int:
    """Run a notebook's tasks until SIGINT (what runs may end) or SIGTERM; return the exit code.

    :param url: where the queue is, as `backends.parse_url` has it, memory excepted.
    :param name: the name of the queue.
    :param tell: called with a sentence on what is served, when nothing is in the way.
    :param options: others of `huey.consumer_options.Options`.
    :raises ConfigurationError: if that cannot work.
    """
    huey = open_huey(url, name)
    consumer = huey.create_consumer(workers=workers, worker_type=worker_type, **options)
    many = f"{workers} {worker_type} workers" if workers > 1 else f"1 {worker_type} worker"
    tell(f"{many} for the queue {name!r} in {huey.place}; Ctrl-C ends")
    with furnished(huey):
        return consumer.run()


def open_huey(url: str, name: str) -> NotebookHuey:
    """Return the Huey of a queue that other processes see.

    :raises ConfigurationError: if they do not, or if this is no place for a queue.
    """
    if not name.strip():
        raise ConfigurationError("a queue needs a name, that of the notebook: --name notebook")
    huey = NotebookHuey(name, url)
    if not huey.durable:
        raise ConfigurationError(
            "a queue in memory belongs to the kernel's own threads: write sqlite:PATH, "
            "redis:HOST or file:FOLDER"
        )
    return huey


@contextlib.contextmanager
def furnished(huey: NotebookHuey) -> Iterator[None]:
    """Have a shell around the tasks, which shows as the notebook does what they display."""
    ip = make_shell()
    capture, descriptors = Capture(ip), Descriptors(huey)
    capture.start()
    descriptors.start()
    huey.post_execute("huey_jupyter")(Storyteller(ip))
    try:
        yield
    finally:
        huey.unregister_post_execute("huey_jupyter")
        descriptors.stop()
        capture.stop()


def make_shell() -> Any:
    """Return the process's shell: with no terminal, no history, and colours as in a notebook."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(config=config)
