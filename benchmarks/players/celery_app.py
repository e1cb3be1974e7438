"""Celery's tasks, on the database that the environment names."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import bodies
from celery import Celery
from peers import URL

_url = urlsplit(os.environ[URL])
_place = f"redis+socket://{_url.path}?virtual_host={_url.query.removeprefix('db=')}"

app = Celery("bench", broker=_place, backend=_place)

TASKS = {body.__name__: app.task(body) for body in (bodies.add, bodies.mark)}
