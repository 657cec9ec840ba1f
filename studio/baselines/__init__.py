"""What a user would pick instead: the same task in, the same events out as with CoFT."""
