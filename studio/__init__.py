"""CoFT Studio: a folder of unlabelled images becomes trusted labels and a trained classifier."""
