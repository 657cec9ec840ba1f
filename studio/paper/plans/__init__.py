"""One file for each way in which the paper's data sets are published: a listing in, a plan out."""
