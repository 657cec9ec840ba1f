"""Settings that are named together."""

from __future__ import annotations

PAPER: dict[str, str] = {
    "templates": "plain",
    "k_cap": "false",
    "transduction": "off",
    "prior_correction": "0",
    "adapted_stages": "0",
    "complement": "uniform",
    "phase1_lr": "0.03",
    "phase1_clip": "0",
    "phase1_resolution": "1",
    "phase1_views": "0",
    "rounds": "3",
    "filter": "peer_clean",
    "belief": "hard",
    "phase2_epochs": "10",
    "phase2_lr": "0.0005",
    "phase2_resolution": "1",
    "head_init": "random",
    "head_lr_factor": "1",
    "weight_average": "1",
    "label_smoothing": "0",
    "crop_scale": "0.08",
}
"""preset=paper: what the paper states, and where it is silent what its sister, DeFT and CoOp do;
docs/method.md says which is which. Everything else is the same in both presets.
"""
