"""Small MarianMT models with random weights, made by Hugging Face's ``transformers``."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceTrainer

SOURCE = [
    f"{who} {does} {what}."
    for who in ("The cat", "A small dog", "My brother", "Nobody")
    for does in ("sees", "likes to paint", "remembers", "forgets")
    for what in ("the river", "an old house", "your bicycle", "this")
]
TARGET = [
    f"{who} {does} {what}."
    for who in ("Die Katze", "Ein kleiner Hund", "Mein Bruder", "Niemand")
    for does in ("sieht", "malt gern", "kennt", "vergisst")
    for what in ("den Fluss", "ein altes Haus", "dein Fahrrad", "das")
]
LANGUAGES = (">>deu<<", ">>nld<<")


def learn(lines: list[str]) -> bytes:
    """A unigram model as OPUS-MT's: without bytes to fall back to, NFKC."""
    model = io.BytesIO()
    SentencePieceTrainer.Train(
        sentence_iterator=iter(lines), model_writer=model, model_type="unigram", vocab_size=80,
        hard_vocab_limit=False, minloglevel=3, num_threads=1,
    )  # fmt: skip
    return model.getvalue()


def pieces_of(model: bytes) -> list[str]:
    """The pieces of a SentencePiece model that are text."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_proto=model)
    numbers = range(processor.GetPieceSize())
    return [processor.IdToPiece(n) for n in numbers if not processor.IsControl(n)]


def write_tokenizers(folder: Path, *, separate: bool = False) -> list[int]:
    """SentencePiece models and vocabularies in OPUS-MT's order; the sizes of the vocabularies.

    Padding is last; of separate vocabularies it is third, to have the same id in both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = [learn(SOURCE), learn(TARGET)]
    for side, model in zip(("source", "target"), models, strict=True):
        (folder / f"{side}.spm").write_bytes(model)
    texts = [pieces_of(model) for model in models]
    if not separate:
        texts = [[*LANGUAGES, *texts[0], *texts[1]]]
    sizes = []
    for name, pieces in zip(("vocab.json", "target_vocab.json"), texts, strict=False):
        third = ["<pad>"] if separate else []
        names = list(dict.fromkeys(["</s>", "<unk>", *third, *pieces, "<pad>"]))
        vocabulary = {piece: number for number, piece in enumerate(names)}
        (folder / name).write_text(json.dumps(vocabulary), encoding="utf-8")
        sizes.append(len(names))
    return sizes


def make_marian(
    folder: Path, *, seed: int = 1, std: float = 0.3, separate: bool = False, **changes: Any
) -> Any:
    """A random MarianMTModel with its tokenizer, saved in ``folder``, in OPUS-MT's layout."""
    transformers: Any = importlib.import_module("transformers")
    sizes = write_tokenizers(folder, separate=separate)
    torch.manual_seed(seed)
    pad = 2 if separate else sizes[0] - 1
    model = transformers.MarianMTModel(
        transformers.MarianConfig(
            vocab_size=sizes[0], decoder_vocab_size=sizes[-1],
            share_encoder_decoder_embeddings=not separate,
            d_model=16, encoder_layers=2, decoder_layers=2,
            encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=24, decoder_ffn_dim=24,
            activation_function="swish", scale_embedding=True, max_position_embeddings=128,
            pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0, forced_eos_token_id=0,
            **changes,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif parameter.requires_grad:
                parameter.normal_(std=std)
        for table in (model.get_input_embeddings(), model.get_output_embeddings()):
            table.weight[pad] = 0  # as Marian's converter leaves it
        model.final_logits_bias.normal_()
        model.final_logits_bias[:, pad] = 0
        model.final_logits_bias[:, 0] = 1.0  # so that translations end
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0, num_beams=4,
        bad_words_ids=[[pad], [1]], max_length=128,
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer = transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"),
        target_vocab_file=str(folder / "target_vocab.json") if separate else None,
        separate_vocabs=separate, source_lang="en", target_lang="de",
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return model, tokenizer
