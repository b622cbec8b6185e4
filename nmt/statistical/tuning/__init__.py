"""Tuning: the weights of the features that give the best BLEU on the validation set.

::

    tune ──► decode ──► NBest ──► HypothesisPool ──► mira or mert ──► weights ──► decode ...
                                   (BLEU statistics of every hypothesis of all rounds)
"""
