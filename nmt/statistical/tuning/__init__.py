"""Tuning: the weights of the features that give the best BLEU on the validation set."""
