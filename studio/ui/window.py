"""The page in a window of its own, by pywebview, with the system's own dialog for folders.

The window belongs to a process of its own: it wants the main thread, and a browser engine that
crashes must not take a run along. `python -m studio.ui.window URL FOLDER` shows it; each line that
it is sent asks for a folder, and is answered by one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from studio.errors import StudioError
from studio.forking import Lock
from studio.images import picker
from studio.imports import installed
from studio.places import PROJECT, has_display

TITLE = "CoFT Studio"
WIDTH, HEIGHT, LEAST = 1320, 900, (760, 560)
"""Pixels; the smallest size is that of a tablet, for which the page is laid out as well."""
NO_WINDOW = 3
"""How the process ends where the system has nothing to show a web page with."""
NO_SANDBOX = "QTWEBENGINE_DISABLE_SANDBOX"
"""Qt's own switch."""
QT_LACKS = "apt-get install libxcb-cursor0"
"""Of the system's own libraries the one that Qt needs on X and pip does not bring."""
COMMAND = (sys.executable, "-m", "studio.ui.window")


def check_window() -> None:
    """Raise where no window can be shown, before anything heavy is loaded.

    Raises:
        StudioError: and why.
    """
    if not installed("webview"):
        raise StudioError(
            "--window needs pywebview: `pip install 'pywebview[qt]'` on Linux, and elsewhere "
            "`pip install pywebview`."
        )
    if not has_display():
        raise StudioError("--window needs a screen, and this process has none; leave it out.")
    # Chromium inside Qt ends at once as root, unless it is told to do without its sandbox.
    if _by_qt() and os.geteuid() == 0 and not os.environ.get(NO_SANDBOX):
        raise StudioError(
            "--window: Qt shows no web page to the user root, whom its sandbox cannot hold. Start "
            f"the studio as another user, or set {NO_SANDBOX}=1 in the environment."
        )


def _by_qt() -> bool:
    """Whether Qt shows the page. Elsewhere the system itself can."""
    return sys.platform == "linux" and installed("qtpy")


class Window:
    """The page's window. While it is entered folders are chosen in its dialog, until it is gone.

    It is entered before the page is built, which offers only what there is.
    """

    def __init__(self, *, kept: Path, command: Sequence[str] = COMMAND) -> None:
        """kept: a folder for what the window remembers, as a browser would.

        command: what is run, with address and folder added; tests replace it.
        """
        self._kept, self._command = kept, command
        self._process: subprocess.Popen[str] | None = None
        self._lock, self._asked = Lock(), ExitStack()

    def __enter__(self) -> Window:
        self._asked.enter_context(picker.by(self.choose))
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.close()

    def show(self, url: str) -> bool:
        """Show the page that is at `url`, and wait until its window is gone.

        Returns:
            Whether it was closed; False: it ended by itself.

        Raises:
            StudioError: The system has nothing to show a web page with.
        """
        try:
            process = subprocess.Popen(
                [*self._command, url, str(self._kept)], cwd=PROJECT, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, encoding="utf-8",
            )  # fmt: skip
        except OSError as error:
            raise StudioError(f"The window could not be started: {error}.") from error
        self._process = process
        try:
            code = process.wait()
        finally:  # whoever ends the studio closes the window as well
            process.kill()  # it keeps nothing that could be lost
            process.wait()
            self._asked.close()
        if code == NO_WINDOW:
            raise StudioError(
                "No window could be opened: the system has nothing to show a web page with; on "
                "Linux `pip install 'pywebview[qt]'` brings it."
            )
        if code:
            told = f"The window ended by itself; the page is still at {url}"
            if code < 0 and _by_qt():  # it names what it lacks, and aborts
                told += f" (Qt says above why; often it lacks what `{QT_LACKS}` brings)"
            print(told, flush=True)
        return not code

    def choose(self) -> Path | None:
        """The folder that was chosen in its dialog; None when none was, or it is not there.

        Any thread may ask, one at a time.
        """
        if (process := self._process) is None:
            return None
        sent, told = process.stdin, process.stdout
        assert sent is not None
        assert told is not None
        with self._lock:
            try:
                sent.write("folder\n")
                sent.flush()
                answer = json.loads(told.readline() or "null")
            except (OSError, ValueError):
                return None
        return Path(answer) if isinstance(answer, str) and answer else None


# The window's own process ------------------------------------------------------------------------


def run(url: str, kept: str, *, webview: Any, asked: Iterable[str], answers: IO[str]) -> int:
    """Show the window until it is closed; the code to end with.

    webview: the library; asked: a line for each question; at their end the studio itself has ended,
    and the window closes; answers: where each is answered.
    """
    webview.settings["ALLOW_DOWNLOADS"] = True  # exports; else they go nowhere, without a word
    window = webview.create_window(TITLE, url, width=WIDTH, height=HEIGHT, min_size=LEAST)

    def answer() -> None:
        start = Path.home()  # the folder that this process works in is the package's own
        for _ in asked:
            asks = webview.FileDialog.FOLDER
            chosen = window.create_file_dialog(asks, directory=str(start))
            print(json.dumps(chosen[0] if chosen else None), file=answers, flush=True)
            start = Path(chosen[0]).parent if chosen else start
        window.destroy()

    # Asked for nothing, pywebview tries GTK first and prints at length why it is not there.
    gui = "qt" if _by_qt() else None
    try:
        webview.start(
            lambda: threading.Thread(target=answer, daemon=True).start(),
            gui=gui, private_mode=False, storage_path=kept,
        )  # fmt: skip
    except webview.WebViewException:
        return NO_WINDOW
    return 0


def main() -> None:
    """Show the window."""
    import webview

    code = run(*sys.argv[1:3], webview=webview, asked=sys.stdin, answers=sys.stdout)
    sys.stdout.flush()
    os._exit(code)  # a browser engine that trips over its own end has been closed all the same


if __name__ == "__main__":
    main()
