"""The paper's data sets, each fetched, laid out and fitted by one command: `studio paper`."""
