"""The method: CoFT (arXiv:2602.04337). Tensors and settings in, events out: `coft.fit.fit`."""
