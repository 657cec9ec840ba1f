"""What leaves the studio: labels, and labels of other folders."""

from studio.export.labels import LABEL_COLUMNS, labels_csv
from studio.export.predict import PREDICT_COLUMNS, predict

__all__ = ["LABEL_COLUMNS", "PREDICT_COLUMNS", "labels_csv", "predict"]
