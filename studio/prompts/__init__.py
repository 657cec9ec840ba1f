"""Class names -> the sentences that the text tower reads."""
