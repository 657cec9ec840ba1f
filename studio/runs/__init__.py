"""A run on disk and the thread that works on it. The disk is the truth: every reader reads it."""
