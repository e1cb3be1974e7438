"""What holds for every test: a Redis server for all of them, and no skipped test under CI.

A missing server or browser skips on a laptop. Under CI it would let a whole folder of tests pass
without having run.
"""

import gc
import os
import signal

import pytest

pytest_plugins = ["sites"]

if hasattr(signal, "SIGHUP"):  # under nohup it is ignored, by all that tests start too
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script, likewise
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _no_skip_under_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _no_skip_under_ci((yield))


def _no_skip_under_ci(report):
    expected_to_fail = hasattr(report, "wasxfail")  # pytest calls that skipped as well
    if os.environ.get("CI") and report.skipped and not expected_to_fail:
        _file, _line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {reason.removeprefix('Skipped: ')}"
    return report


@pytest.fixture(scope="session")
def one_redis_server():
    from redis_server import RedisServer

    server = RedisServer()
    yield server
    server.end()


@pytest.fixture
def redis_server(one_redis_server, tmp_path_factory, monkeypatch):
    """Return a server with nothing on it, and let no file stay behind of those who use it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("host")))
    monkeypatch.setattr("tempfile.tempdir", None)
    with one_redis_server.client() as client:
        client.flushall()
    return one_redis_server


def pytest_collection_finish():
    _keep_for_good()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    done = yield
    if nextitem is None or nextitem.module is not item.module:
        _keep_for_good()
    return done


def _keep_for_good():
    """Let garbage collection pass over what pytest holds to the end: tests, and how they went.

    IPython collects at each reset of its shell, with which many tests begin, and would look at a
    million objects each time.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Mark as slow what takes long, and the file storage's turn at the engine's tests."""
    for item in items:
        kind = getattr(item, "callspec", None) and item.callspec.params.get("make_huey")
        if kind == "file" or item.module.__name__ in SLOW:
            item.add_marker("slow")
        if "redis_server" in item.fixturenames:
            item.add_marker("server")


SLOW = (
    *("test_consumer_options", "test_consumer_process", "test_greenlet_workers"),
    *(
        "test_process_workers",
        "test_crew",
        "test_crash_points",
        "test_history",
        "test_docs",
        "test_table",
    ),
    *("test_examples", "test_chords", "test_bad_input", "test_await", "test_session"),
    *("test_shipping", "test_sent_cells", "test_moving"),
    *("test_cells", "test_file", "test_cancel", "test_asyncio_workers"),
    *("test_worker", "test_workers"),
    *("test_checks", "test_consumers", "test_production", "test_triage", "test_line_of_tasks"),
)
