"""Completions: the decoder, its constraint, its endings, and how likely a text is."""
