"""What makes many small tensor operations faster on a CPU."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def fast_allocation() -> None:
    """Let glibc keep freed memory instead of handing it back after every operation.

    Without it half of the processor's time goes into mapping fresh pages. Does nothing elsewhere.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2_000_000_000)
        mallopt(M_TOP_PAD, 1 << 28)
