"""Stack decoding: from a source sentence to its best translations."""
