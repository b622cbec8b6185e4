"""Model folders of random weights, made in no time."""

from __future__ import annotations

from pathlib import Path

from nmt.model_folder import ModelFolder, write_model_folder
from nmt.neural.system import TOKENIZER
from nmt.neural.weights import WEIGHTS, save_weights
from nmt.recipe.neural import SearchSettings
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import SentencePieceSettings
from tests.neural.models import make_model, make_recurrent

TEXT = [
    f"{who} {does} {what}."
    for who in ("The cat", "A small dog", "My brother")
    for does in ("sees", "likes to paint", "remembers")
    for what in ("the river", "an old house", "your bicycle")
]


def learn(text: list[str], size: int = 330, joint: bool = True) -> TokenizerPair:
    settings = SentencePieceSettings(algorithm="bpe", vocabulary_size=size, joint=joint)
    return learn_tokenizers(settings, text, text[::-1], cache=None)


def write_model(
    folder: Path, kind: str, tokenizers: TokenizerPair, seed: int, **languages: str
) -> ModelFolder:
    """A model folder of random weights, as training would leave it."""
    make = make_model if kind == "transformer" else make_recurrent
    model = make(
        seed=seed,
        sharpness=2.0,
        source_vocabulary_size=tokenizers.source.vocabulary_size,
        target_vocabulary_size=tokenizers.target.vocabulary_size,
    )

    def fill(staging: Path) -> None:
        save_weights(model, staging / WEIGHTS)
        tokenizers.save(staging / TOKENIZER)

    return write_model_folder(
        folder,
        kind=kind,
        source_language=languages.get("source", "en"),
        target_language=languages.get("target", "de"),
        settings={
            "architecture": model.architecture.to_json(),
            "search": SearchSettings(beam=3, max_length_extra=4).model_dump(mode="json"),
            "max_source_pieces": 20 + seed,
        },
        training={
            "seconds": 10.25, "cpu_seconds": 20.0, "peak_memory_bytes": 1000 * seed,
            "device": "2 CPU cores",
        },
        fill=fill,
    )  # fmt: skip
