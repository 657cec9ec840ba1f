"""The method: CoFT and CoFT+ (arXiv:2602.04337). A task in, events out; pure torch."""

from studio.coft.fit import fit, fit_plus
from studio.coft.task import Task

__all__ = ["Task", "fit", "fit_plus"]
