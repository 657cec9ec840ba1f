"""How good labels are (with a truth) and whether they can be any good (without one)."""

from studio.scores.metrics import (
    ClassScore,
    accuracy,
    auroc,
    belief_precision,
    calibration_error,
    clean_fraction,
    clean_precision,
    clean_recall,
    clustering_accuracy,
    mean_known,
    per_class,
)

__all__ = [
    "ClassScore",
    "accuracy",
    "auroc",
    "belief_precision",
    "calibration_error",
    "clean_fraction",
    "clean_precision",
    "clean_recall",
    "clustering_accuracy",
    "mean_known",
    "per_class",
]
