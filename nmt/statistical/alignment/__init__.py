"""Word alignment: which words of a sentence pair translate which."""
