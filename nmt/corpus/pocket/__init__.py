"""The pocket corpus: English-German sentence pairs made by a grammar, without any download.

It is a toy and says so: the words and the grammar (``data/pocket``) are real, the sentences are
drawn at random. What it shows of a translator is how it copes with word order, agreement, and words
whose translation depends on what they stand with; not how it copes with the world.

::

    lexicon (words, what they go with) ──► sampler (clauses, noun phrases) ───┐
    grammar (constructions) ────────────────────────────────────────────────┴─► derivation ─► splits
"""

from nmt.corpus.pocket.reader import PocketReader
from nmt.corpus.pocket.splits import held_out_pairs, training_pairs

__all__ = ["PocketReader", "held_out_pairs", "training_pairs"]
