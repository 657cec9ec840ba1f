"""Which images to ask about, what an answer is worth, and the judge: a vision-language model."""
