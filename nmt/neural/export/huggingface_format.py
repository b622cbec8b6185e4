"""A Transformer as a folder that Hugging Face's ``transformers`` loads.

::

    config.json, generation_config.json    sizes, special pieces, how to search
    model.safetensors                      weights by its names
    source.spm, target.spm, vocab.json     the SentencePiece models, and their pieces' ids
    tokenizer_config.json, special_tokens_map.json

With norms last it is a ``MarianMTModel``, with norms first a ``PegasusForConditionalGeneration``,
which is the same model otherwise; the tokenizer is ``MarianTokenizer`` for both. ``transformers``
itself is not needed to write it. Its tokenizer takes text as it is, where ours brings characters
into their composed form (NFC) and white space into its simplest form before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch

from nmt.errors import UserError
from nmt.files import write_json
from nmt.neural.export.opened import OpenedModel
from nmt.neural.export.variants import MARIAN, PEGASUS, refuse_variants
from nmt.neural.marian_names import to_theirs
from nmt.neural.weights import WEIGHTS
from nmt.tokenization.marian import MarianTokenizer
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizer
from nmt.tokenization.sentencepiece_tokenizer import SentencePieceTokenizer

NAME: Final = "Hugging Face's MarianMT or Pegasus"


def write_huggingface(opened: OpenedModel, folder: Path, quantization: str | None) -> None:
    """Write the files into an existing folder.

    Args:
        opened: the model.
        folder: where to.
        quantization: type in which weights are kept; None is float32.

    Raises UserError that names what neither model has, or for a tokenizer without SentencePiece.
    """
    architecture = opened.architecture
    supported = MARIAN if architecture.norm_position == "post" else PEGASUS
    refuse_variants(architecture.to_json(), supported, NAME)
    _write_tokenizer(opened, folder)
    write_json(folder / "config.json", _config(opened, quantization))
    write_json(folder / "generation_config.json", _generation_config(opened))
    dtype = getattr(torch, quantization or "float32")
    weights = {name: tensor.detach() for name, tensor in opened.model.named_parameters()}
    safetensors.torch.save_file(
        {name: tensor.to(dtype) for name, tensor in to_theirs(weights, architecture).items()},
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )


def _config(opened: OpenedModel, quantization: str | None) -> dict[str, Any]:
    a = opened.architecture
    marian = a.norm_position == "post"
    tied = a.tied_embeddings
    values = {
        "architectures": ["MarianMTModel" if marian else "PegasusForConditionalGeneration"],
        "model_type": "marian" if marian else "pegasus",
        "is_encoder_decoder": True,
        "d_model": a.width,
        "encoder_layers": a.encoder_layers,
        "decoder_layers": a.decoder_layers,
        "num_hidden_layers": a.encoder_layers,
        "encoder_attention_heads": a.heads,
        "decoder_attention_heads": a.heads,
        "encoder_ffn_dim": a.feed_forward_width,
        "decoder_ffn_dim": a.feed_forward_width,
        "activation_function": a.activation,
        "vocab_size": a.source_vocabulary_size,
        "max_position_embeddings": a.max_positions,
        "scale_embedding": True,
        "dropout": a.dropout,
        "attention_dropout": a.attention_dropout,
        "activation_dropout": a.activation_dropout,
        "encoder_layerdrop": a.encoder_layer_drop,
        "decoder_layerdrop": a.decoder_layer_drop,
        "tie_word_embeddings": tied != "none",
        "torch_dtype": quantization or "float32",
        **_special_pieces(),
    }
    if marian:
        values["decoder_vocab_size"] = a.target_vocabulary_size
        values["share_encoder_decoder_embeddings"] = tied == "all"
    return values


def _special_pieces() -> dict[str, Any]:
    return {
        "pad_token_id": PAD_ID,
        "bos_token_id": BOS_ID,
        "eos_token_id": EOS_ID,
        "decoder_start_token_id": BOS_ID,
        "forced_eos_token_id": None,
    }


def _generation_config(opened: OpenedModel) -> dict[str, Any]:
    search = opened.search
    return {
        **_special_pieces(),
        "num_beams": search.beam,
        "length_penalty": search.length_penalty,
        "max_length": opened.architecture.max_positions,
        "bad_words_ids": [[piece] for piece in (PAD_ID, BOS_ID, UNK_ID)],
    }


def _write_tokenizer(opened: OpenedModel, folder: Path) -> None:
    tokenizers = opened.tokenizers
    sides = {"source": tokenizers.source, "target": tokenizers.target}
    vocabularies = []
    for side, tokenizer in sides.items():
        model, vocabulary = _sentencepiece(tokenizer)
        (folder / f"{side}.spm").write_bytes(model)
        vocabularies.append({piece: number for number, piece in enumerate(vocabulary)})
    separate = vocabularies[0] != vocabularies[1]
    _write_vocabulary(folder / "vocab.json", vocabularies[0])
    if separate:
        _write_vocabulary(folder / "target_vocab.json", vocabularies[1])
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "MarianTokenizer",
            "source_lang": opened.folder.source_language,
            "target_lang": opened.folder.target_language,
            "model_max_length": opened.architecture.max_positions,
            "separate_vocabs": separate,
            "clean_up_tokenization_spaces": False,
            **special,
        },
    )


def _write_vocabulary(path: Path, vocabulary: dict[str, int]) -> None:
    path.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")


def _sentencepiece(tokenizer: Tokenizer) -> tuple[bytes, list[str]]:
    if isinstance(tokenizer, SentencePieceTokenizer | MarianTokenizer):
        return tokenizer.serialized, tokenizer.vocabulary
    raise UserError(
        "MarianTokenizer takes SentencePiece models, and this model's tokenizer is none",
        mend="export to ctranslate2, onnx or safetensors",
    )
