"""Where a notebook's queue can be, and how that is said without a password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from waiting import PATIENCE

from huey.exceptions import ConfigurationError
from huey_jupyter.backends import NotebookHuey, masked, parse_url

SPELLINGS = {
    "memory": "memory",
    " memory ": "memory",
    "sqlite": "sqlite:/home/me/huey.db",
    "sqlite:a.db": "sqlite:/home/me/a.db",
    "sqlite:/tmp/a.db": "sqlite:/tmp/a.db",
    "file:queue": "file:/home/me/queue",
    "redis": "redis://127.0.0.1:6379/0",
    "redis:host": "redis://host:6379/0",
    "redis:host:7000": "redis://host:7000/0",
    "redis:host/3": "redis://host:6379/3",
    "redis:host:7000/3": "redis://host:7000/3",
    "redis://:secret@host": "redis://:secret@host:6379/0",
    "rediss://me:secret@host:1/2": "rediss://me:secret@host:1/2",
    "redis:[::1]:7000": "redis://[::1]:7000/0",
    "unix:///run/redis.sock": "unix:///run/redis.sock",
}

WRONG = {
    "postgres": "memory, sqlite:huey.db",
    "http://me:secret@host": "memory, sqlite:huey.db",
    "mongo:me:secret@host": "memory, sqlite:huey.db",
    "redis://:secret@host:99999": "a port is a number",
    "redis://me:sec@ret:x/y@host/z": "a port is a number",
    "redis::secret@host:1/x": "a database is a number",
    "redis://host/x?password=secret": "a database is a number",
    "unix://": "unix:///run/redis.sock",
    "file": "file:FOLDER",
    "file:": "file:FOLDER",
    "sqlite:///a.db": "without //",
}


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_place_has_one_spelling(text: str) -> None:
    assert parse_url(text, "/home/me") == SPELLINGS[text]
    assert parse_url(SPELLINGS[text]) == SPELLINGS[text]


@pytest.mark.parametrize("text", WRONG)
def test_a_place_that_is_none_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(text)

    assert WRONG[text] in str(caught.value)
    assert "sec" not in str(caught.value)


def test_a_path_is_shown_as_short_as_it_can_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert masked(parse_url("sqlite")) == "sqlite:huey.db"
    assert masked(parse_url("file:a/b")) == "file:a/b"
    assert masked(parse_url("sqlite:/a.db")) == "sqlite:/a.db"


def test_no_password_is_shown(redis_server) -> None:
    url = f"unix://me:secret@{redis_server.socket}"
    huey = NotebookHuey("demo", url)

    assert huey.place == f"unix://me:***@{redis_server.socket}"
    with pytest.raises(Exception, match=r"(?i)auth|pass") as caught:
        len(huey)
    for text in (repr(huey), repr(huey.storage), str(huey), str(caught.value)):
        assert "secret" not in text
    huey.storage.close()


def test_a_queue_in_memory_passes_objects_on_as_they_are() -> None:
    huey = NotebookHuey()
    given = object()

    @huey.task()
    def same(thing):
        return thing

    result = same(given)
    with huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) is given
    assert not huey.durable
    assert huey.place == "memory"


@pytest.mark.parametrize("kind", ["sqlite", "file", "redis"])
def test_a_durable_queue_is_where_its_url_says(kind: str, tmp_path: Path, redis_server) -> None:
    url = {"sqlite": f"sqlite:{tmp_path}/q.db", "file": f"file:{tmp_path}/q"}.get(kind)
    huey = NotebookHuey("demo", url or redis_server.url)

    @huey.task(name="power")
    def power(base, exponent):
        return base**exponent

    result = power(2, 10)
    assert huey.durable
    assert len(huey) == 1
    with huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) == 1024
    assert next(event["kind"] for _, event in huey.events.read()) == "enqueued"
    assert kind == "redis" or os.path.exists(tmp_path / {"sqlite": "q.db", "file": "q"}[kind])
    huey.storage.close()
