"""The Python interface: what `import studio` offers, and what the command line calls.

`fit` works to the end and returns a `Run`; `stream` yields the fit's events while it works; `load`
opens a run again, `resume` goes on with one. docs/python.md has examples.
"""

from studio.api.fitting import Stream, fit, resume, stream
from studio.api.run import Run, Share, load
from studio.api.table import Table

__all__ = ["Run", "Share", "Stream", "Table", "fit", "load", "resume", "stream"]
