"""Log records as JSON: every line is one object and says which task it is about."""

import io
import json
import logging

import pytest

from huey.consumer_options import make_parser, set_up_logging
from huey.logs import JSONFormatter


@pytest.fixture
def lines():
    """Return what was logged since, as objects."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_the_story_of_a_task_names_it_in_each_line(huey, work, lines):
    result = huey.task(name="double")(lambda n: 2 * n)(2)
    work()

    told = lines()

    assert [line["message"].split()[0] for line in told] == ["executing", f"<{__name__}.double:"]
    assert {line["task"] for line in told} == {result.id}
    assert {line["name"] for line in told} == {f"{__name__}.double"}
    assert {line["level"] for line in told} == {"INFO"}


def test_what_a_task_logs_itself_names_it_too(huey, work, lines):
    @huey.task()
    def talk():
        logging.getLogger("app").warning("two\nlines, 100%% %s", "sure")

    result = talk()
    work()

    (line,) = [line for line in lines() if line["logger"] == "app"]
    assert line["message"] == "two\nlines, 100% sure"
    assert line["task"] == result.id


def test_a_traceback_is_one_of_the_keys(lines):
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("app").exception("failed")

    (line,) = lines()
    assert line["traceback"].endswith("ValueError: why")
    assert "task" not in line


def test_the_consumer_logs_json_when_asked_to(tmp_path):
    file = tmp_path / "huey.log"
    logger = logging.getLogger()
    found, logger.handlers = logger.handlers, []
    level = logger.level
    options = ["demo.huey", "--log-format", "json", "-l", str(file)]
    try:
        set_up_logging(make_parser().parse_args(options))
        logging.getLogger("huey").info("started")
    finally:
        for handler in logger.handlers:
            handler.close()
        logger.handlers = found
        logger.setLevel(level)

    assert json.loads(file.read_text())["message"] == "started"
