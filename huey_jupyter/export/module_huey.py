"""The Huey of a module that is written from a notebook: the same place, a queue of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import huey

PASSWORD: Final = "HUEY_REDIS_PASSWORD"  # noqa: S105 - the name of a variable
IN_MEMORY: Final = "huey.db"

OWN_QUEUE: Final = "# A queue of its own: it and the notebook's do not take each other's tasks.\n"
WAS_MEMORY: Final = (
    "# The notebook's queue is in memory, where no other process reaches it. This one is a file.\n"
)
NO_PASSWORD: Final = f"# The password is not written here: it is taken from ${PASSWORD}.\n"


class HueyStatement(NamedTuple):
    """How a Huey is made: imports, and statements with a comment."""

    imports: tuple[str, ...]
    text: str


def huey_statement(
    called: Sequence[str],
    url: str,
    name: str,
    folder: str | os.PathLike[str],
    names: Mapping[str, Any],
) -> HueyStatement:
    """Return the statements that make a Huey in the place that a URL says.

    :param called: the names that it gets; none, and there is no statement.
    :param url: ``memory``, ``sqlite:PATH``, ``file:FOLDER``, or that of a Redis server.
    :param name: the name of its queue.
    :param folder: where the module is to be.
    :param names: those of the notebook, not to be hidden.
    """
    if not called:
        return HueyStatement((), "")
    os_is = "os" if names.get("os", os) is os else "_os"
    kind, arguments, comment = _made(url, name, folder, os_is)
    known = getattr(huey, kind)
    kind_is = kind if names.get(kind, known) is known else f"_{kind}"
    first, *rest = sorted(called, key=lambda one: (one != "huey", one))
    imports = [_import(f"from huey import {kind}", kind, kind_is)]
    if f"{os_is}." in arguments:
        imports.append(_import("import os", "os", os_is))
    made = f"{first} = {kind_is}({json.dumps(name)}, {arguments}, events=True)\n"
    same = "".join(f"{one} = {first}\n" for one in rest)
    return HueyStatement(tuple(imports), comment + OWN_QUEUE + made + same)


def _import(line: str, name: str, alias: str) -> str:
    return line if name == alias else f"{line} as {alias}"


def _made(url: str, name: str, folder: str | os.PathLike[str], os_is: str) -> tuple[str, str, str]:
    """Return the class, its arguments after the queue's name, and a comment."""
    kind, _, path = url.partition(":")
    if kind == "memory":
        return "SqliteHuey", f"filename={_near(IN_MEMORY, folder, os_is)}", WAS_MEMORY
    if kind == "sqlite":
        return "SqliteHuey", f"filename={_near(path, folder, os_is)}", ""
    if kind == "file":
        return "FileHuey", f"path={_near(f'{path}-{name}', folder, os_is)}", ""
    public, secret = without_password(url)
    arguments = f"url={_quoted(public)}"
    if not secret:
        return "PriorityRedisHuey", arguments, ""
    password = f'password={os_is}.environ["{PASSWORD}"]'
    return "PriorityRedisHuey", f"{arguments}, {password}", NO_PASSWORD


def _near(path: str, folder: str | os.PathLike[str], os_is: str) -> str:
    """Return a path as an expression: beside the module if it is in its folder."""
    near = os.path.relpath(os.path.join(folder, path), folder)
    if near.startswith(os.pardir):
        return _quoted(os.path.abspath(path))
    return f"{os_is}.path.join({os_is}.path.dirname(__file__), {_quoted(near)})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def without_password(url: str) -> tuple[str, bool]:
    """Return a URL without its password, and whether it had one."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    asked = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(key, value) for key, value in asked if key.lower() != "password"]
    if not colon and len(kept) == len(asked):
        return url, False
    where = f"{user}@{host}" if user else host
    query = f"?{urlencode(kept)}" if kept else ""
    return f"{parts.scheme}://{where}{parts.path}{query}", True
