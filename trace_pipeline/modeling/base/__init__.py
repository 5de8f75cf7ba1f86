"""The base model, where it computes, its tokenizer and the prompt."""
