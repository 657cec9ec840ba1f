"""What can be read off runs, as data: galleries, confusions, comparisons, curves, map points."""
