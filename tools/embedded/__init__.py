"""Steps that build the embedded model: WordNet, sentence vectors, teacher, corpus, student."""
