"""Mend in the site's Pyodide what no release of it has mended yet.

    mend.py FOLDER

A stack that is laid aside keeps a thread state of its own, whose frames are partly in memory that
other stacks overwrite. The garbage collector goes through the frames of all thread states: the page
crashes or hangs, see https://github.com/pyodide/pyodide/issues/6464. So a thread state shows no
frames while its stack is laid aside, as in https://github.com/pyodide/pyodide/pull/6466.
"""

from __future__ import annotations

import sys
from pathlib import Path

FRAMES = "HEAPU32[{state}+52>>>2]"  # a thread state's `current_frame`, in Python 3.14
SAVED, RESTORED = FRAMES.format(state="threadState"), FRAMES.format(state="state.threadState")

CHANGES = {
    "const stackState=new StackState;return{threadState,": (
        f"const stackState=new StackState,frames={SAVED};{SAVED}=0;return{{threadState,frames,"
    ),
    "_restoreThreadState(state.threadState);": (
        f"{RESTORED}=state.frames;_restoreThreadState(state.threadState);"
    ),
}


def main(folder: Path) -> None:
    path = folder / "pyodide.asm.mjs"
    text = path.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        if text.count(old) != 1:
            sys.exit(f"{__file__}: this is another Pyodide; look whether #6464 is mended in it")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
