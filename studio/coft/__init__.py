"""The method: CoFT (arXiv:2602.04337). Tensors and settings in, events out."""

from studio.coft.fit import fit

__all__ = ["fit"]
