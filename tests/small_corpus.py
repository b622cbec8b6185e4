"""A corpus made up on the spot, and a recipe that trains on it in a second or two."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = {
    "the": "die", "a": "eine", "cat": "Katze", "door": "Tür", "lamp": "Lampe", "street": "Straße",
    "sees": "sieht", "finds": "findet", "opens": "öffnet", "old": "alte", "small": "kleine",
    "green": "grüne", "today": "heute", "never": "nie", "here": "hier",
}  # fmt: skip

RECIPE = """\
corpus:
  source_language: en
  target_language: de
  train: [{kind: files, source: train.en, target: train.de}]
  valid: {kind: files, source: valid.en, target: valid.de}
  test:
    test: {kind: files, source: test.en, target: test.de}
tokenizer: {kind: sentencepiece, vocabulary_size: 310}
systems:
  small:
    kind: transformer
    preset: tiny
    width: 16
    heads: 2
    feed_forward_width: 32
    encoder_layers: 1
    decoder_layers: 1
    training:
      batch_tokens: 128
      max_updates: 12
      warmup_updates: 5
      learning_rate: 1e-2
      validate_every: 4
      validate_max_pairs: 4
      log_every: 2
      keep_best: 3
      average_checkpoints: 2
    search: {beam: 2, max_length_extra: 5}
"""

PHRASE_BASED = """\
{kind: phrase-based, language_model: {order: 3}, tuning: {max_rounds: 3, nbest: 20}}"""
"""A phrase-based system that is trained on it as quickly."""


def sentence_pair(rng: random.Random) -> tuple[str, str]:
    """Words in any order, and their translations in the same."""
    words = rng.choices(list(WORDS), k=rng.randint(2, 8))
    source, target = " ".join(words), " ".join(WORDS[word] for word in words)
    return f"{source.capitalize()}.", f"{target[0].upper()}{target[1:]}."


def write_corpus(folder: Path, *, train: int = 150, held_out: int = 6) -> Path:
    """Write the texts and the recipe ``small.yaml``; returns its path."""
    rng = random.Random(1)
    for split, size in (("train", train), ("valid", held_out), ("test", held_out)):
        pairs = [sentence_pair(rng) for _ in range(size)]
        for side, language in enumerate(("en", "de")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    recipe = folder / "small.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe
