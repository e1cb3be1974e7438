"""A kernel that is started anew, with its queue in a file: nothing is lost, cards are back."""

import os
import signal

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

PREPARE = """\
%load_ext huey_jupyter
%huey use sqlite:{gate}.db
%huey start -k process -w 2 --detach
import pathlib, time, huey_jupyter
from huey import progress
print("pid", huey_jupyter.current().workers.pid)"""
DONE = """\
%%huey_task answer
print("think" + "ing")
6 * 7"""
FAILED = """\
%%huey_task load
int("sev" + "en")"""
RUNNING = """\
%%huey_task patient
done = 0
while not pathlib.Path({gate!r}).exists():
    done += 1
    progress(done, done + 100)
    time.sleep(0.1)
"relea" + "sed" """
LATER = """\
%%huey_task tonight --delay 3600
1"""
BACK = """\
%load_ext huey_jupyter
%huey reconnect sqlite:{gate}.db"""


def test_cards_are_back_after_a_restart_and_live_where_their_tasks_run(notebook):
    gate = notebook.gate
    parts = [part.format(gate=gate) for part in (PREPARE, DONE, FAILED, RUNNING, LATER, BACK)]
    notebook.open(parts)
    notebook.run(0, 1, 2, 3, 4)
    notebook.wait_done(4)
    pid = int(notebook.text(0).split("pid")[1])
    try:
        expect(notebook.final(1)).to_contain_text("42")
        expect(notebook.final(2)).to_contain_text("seven")
        expect(notebook.final(2).get_by_role("button", name="Retry load")).to_be_visible()
        notebook.watch_bar(3, moves=1)

        notebook.restart()
        notebook.screenshot("restarted")

        for number in (1, 2, 3, 4):
            expect(notebook.output(number).get_by_role("button")).to_have_count(0)
        for number in (3, 4):
            expect(notebook.live(number)).to_contain_text("the kernel is gone")
        notebook.run(5)
        notebook.wait_done(5)
        expect(notebook.final(5).filter(has_text="answer")).to_contain_text("42")
        expect(notebook.final(5).filter(has_text="load")).to_contain_text("seven")
        expect(notebook.live(5).filter(has_text="tonight")).to_contain_text("scheduled")
        values = notebook.watch_bar(5, moves=2)
        assert values == sorted(values)
        notebook.screenshot("reconnected")
        notebook.release()
        expect(notebook.final(5).filter(has_text="patient")).to_contain_text("released")
        assert "lost" not in notebook.text(5)
    finally:
        os.kill(pid, signal.SIGTERM)
