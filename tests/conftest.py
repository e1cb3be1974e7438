"""What holds for every test: under CI a skipped test counts as failed.

A missing server or browser skips on a laptop. Under CI it would let a whole folder of tests pass
without having run.
"""

import os

import pytest


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
