"""Phrase pairs: taken from aligned bitext, scored, stored, looked up."""
