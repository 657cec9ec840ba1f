"""The method: CoFT and CoFT+ (arXiv:2602.04337). A task in, events out: `coft.fit.fit`."""
