"""N-gram language models: estimated from text, stored, queried."""
