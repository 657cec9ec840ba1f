"""How good labels are (with a truth) and whether they can be any good (without one)."""

from studio.scores.metrics import (
    accuracy,
    auroc,
    belief_precision,
    clean_fraction,
    clean_precision,
    clustering_accuracy,
    mean_known,
)

__all__ = [
    "accuracy",
    "auroc",
    "belief_precision",
    "clean_fraction",
    "clean_precision",
    "clustering_accuracy",
    "mean_known",
]
