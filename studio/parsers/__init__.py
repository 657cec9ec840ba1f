"""What each command of the command line takes; a parser for each, without what is heavy."""
