from __future__ import annotations

import subprocess
import sys

ENDS = """
import atexit, sys, threading, time
from studio.errors import leave
class Large:
    def __del__(self):
        print("taken apart")
large = Large()
atexit.register(print, "tidied")
def trips():
    over.wait()
    raise RuntimeError("too late")
over = threading.Event()
threading.Thread(target=trips, daemon=True).start()
atexit.register(lambda: (over.set(), time.sleep(0.3)))
print("said")
leave(3)
"""


def test_a_process_leaves_with_what_it_said_and_takes_nothing_apart() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\ntidied\n", "")
