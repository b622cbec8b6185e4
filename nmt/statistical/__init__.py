"""The statistical wing: phrase-based translation (Koehn, Och and Marcu 2003), from bitext to text.

::

    words ──► alignment ──► phrases (table, reordering) ──┐
      └────► language_model ──────────────────────────────┴──► search ──► tuning (weights)

Text is words and ids here (`Vocabulary`, `Sentences`); the loops over them are compiled by Numba.
"""
