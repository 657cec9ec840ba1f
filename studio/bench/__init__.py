"""Methods and settings compared on labelled sets: `python -m studio bench`."""
