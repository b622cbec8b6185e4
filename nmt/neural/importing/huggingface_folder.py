"""Folders of MarianMT models, such as OPUS-MT's (and of the Pegasus ones that `nmt-export` writes).

::

    config.json                               sizes
    model.safetensors or pytorch_model.bin    weights
    source.spm, target.spm                    SentencePiece models
    vocab.json, perhaps target_vocab.json     the pieces' ids
    tokenizer_config.json                     languages
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from nmt.errors import UserError, UserErrors
from nmt.neural.importing.parts import ImportedModel, Order, in_our_terms, read_bytes, read_json
from nmt.neural.marian_names import BIAS, DECODER_TABLE, ENCODER_TABLE, HEAD, SHARED
from nmt.neural.model.architecture import Architecture
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.marian import MarianTokenizer
from nmt.tokenization.pair import TokenizerPair

_ACTIVATIONS: Final = {"swish": "swish", "silu": "swish", "relu": "relu", "gelu": "gelu"}

_MUST_BE: Final[dict[str, tuple[Any, ...]]] = {
    "model_type": ("marian", "pegasus"),
    "activation_function": tuple(_ACTIVATIONS),
    "scale_embedding": (True,),
    "normalize_embedding": (False,),
    "static_position_embeddings": (True,),
    "extra_pos_embeddings": (0,),
}
"""Settings that have to be so where they are there; the last three are of older versions."""


class _Config(BaseModel):
    """What we read of ``config.json``; the defaults are those of MarianConfig."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model_type: str
    vocab_size: int
    decoder_vocab_size: int | None = None
    d_model: int
    encoder_layers: int
    decoder_layers: int
    encoder_attention_heads: int
    decoder_attention_heads: int
    encoder_ffn_dim: int
    decoder_ffn_dim: int
    activation_function: str = "gelu"
    max_position_embeddings: int = 1024
    decoder_start_token_id: int
    share_encoder_decoder_embeddings: bool = True
    tie_word_embeddings: bool = True
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    encoder_layerdrop: float = 0.0
    decoder_layerdrop: float = 0.0
    num_beams: int | None = None


def is_huggingface(folder: Path) -> bool:
    """Whether a folder has what such a model begins with."""
    return (folder / "config.json").is_file()


def read_huggingface(folder: Path) -> ImportedModel:
    """Read a folder.

    Raises UserError, or UserErrors for several, that say what is missing, damaged or of a kind that
    has no place here.
    """
    config = _read_config(folder)
    source_size, target_size = config.vocab_size, config.decoder_vocab_size or config.vocab_size
    names = [_read_vocabulary(folder / "vocab.json", source_size)]
    separate = not config.share_encoder_decoder_embeddings
    if separate:
        path = folder / "target_vocab.json"
        names.append(
            _read_vocabulary(path if path.exists() else folder / "vocab.json", target_size)
        )
    orders = [
        Order.of(
            vocabulary,
            where=str(folder / "vocab.json"),
            start=config.decoder_start_token_id if side + 1 == len(names) else None,
        )
        for side, vocabulary in enumerate(names)
    ]
    tensors = _reordered(_read_weights(folder), orders, target_size)
    architecture = _architecture(config, orders, bool(tensors[BIAS].any()))
    tokenizers = [
        MarianTokenizer(read_bytes(folder / f"{side}.spm"), order.names(vocabulary))
        for side, order, vocabulary in (
            ("source", orders[0], names[0]),
            ("target", orders[-1], names[-1]),
        )
    ]
    described = folder / "tokenizer_config.json"
    languages = read_json(described) if described.exists() else {}
    return ImportedModel(
        architecture,
        in_our_terms(tensors, architecture, where=str(folder)),
        TokenizerPair(*tokenizers),
        SearchSettings(beam=_beams(folder, config)),
        (languages.get("source_lang"), languages.get("target_lang")),
    )


def _architecture(config: _Config, orders: list[Order], output_bias: bool) -> Architecture:
    tied = "all" if config.share_encoder_decoder_embeddings else "decoder"
    return Architecture.from_json(
        {
            "encoder_layers": config.encoder_layers,
            "decoder_layers": config.decoder_layers,
            "width": config.d_model,
            "feed_forward_width": config.encoder_ffn_dim,
            "heads": config.encoder_attention_heads,
            "norm_position": "pre" if config.model_type == "pegasus" else "post",
            "activation": _ACTIVATIONS[config.activation_function],
            "tied_embeddings": tied if config.tie_word_embeddings else "none",
            "output_bias": output_bias,
            "dropout": config.dropout,
            "embedding_dropout": config.dropout,
            "attention_dropout": config.attention_dropout,
            "activation_dropout": config.activation_dropout,
            "encoder_layer_drop": config.encoder_layerdrop,
            "decoder_layer_drop": config.decoder_layerdrop,
            "max_positions": config.max_position_embeddings,
            "source_vocabulary_size": len(orders[0].theirs),
            "target_vocabulary_size": len(orders[-1].theirs),
        }
    )


def _read_config(folder: Path) -> _Config:
    path = folder / "config.json"
    values = read_json(path)
    errors = [
        UserError(
            f"{name}: {values[name]} has no place here, only {' or '.join(map(str, allowed))}",
            where=str(path),
        )
        for name, allowed in _MUST_BE.items()
        if name in values and values[name] not in allowed
    ]
    pairs = [("encoder_attention_heads", "decoder_attention_heads")]
    for one, other in [*pairs, ("encoder_ffn_dim", "decoder_ffn_dim")]:
        if values.get(one) != values.get(other):
            errors.append(UserError(f"{one} and {other} are not the same", where=str(path)))
    if not values.get("tie_word_embeddings", True) and values.get(
        "share_encoder_decoder_embeddings", True
    ):
        errors.append(UserError("embeddings are shared, but not with the output", where=str(path)))
    if errors:
        errors[-1].mend = "a MarianMT model such as OPUS-MT's can be imported"
        raise UserErrors(errors)
    try:
        return _Config.model_validate(values)
    except ValidationError as error:
        wrong = [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in error.errors()]
        raise UserError(
            f"not the configuration of a MarianMT model: {'; '.join(wrong)}", where=str(path)
        ) from error


def _beams(folder: Path, config: _Config) -> int:
    """The beam that the model is used with."""
    path = folder / "generation_config.json"
    generation = read_json(path) if path.exists() else {}
    return int(generation.get("num_beams") or config.num_beams or 4)


def _read_vocabulary(path: Path, size: int) -> list[str]:
    """Pieces by their ids, of which the model may have more than there are pieces."""
    ids = read_json(path)
    names = [f"<unused {number}>" for number in range(size)]
    for piece, number in ids.items():
        if not isinstance(number, int) or not 0 <= number < size:
            raise UserError(
                f"the piece {piece!r} has the id {number}, and the model has {size} pieces",
                where=str(path),
            )
        names[number] = piece
    return names


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights, of safetensors if they are there; never by running what a pickle says."""
    path = folder / "model.safetensors"
    try:
        if path.exists():
            return safetensors.torch.load_file(path)
        path = folder / "pytorch_model.bin"
        if path.exists():
            tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
            return tensors
    except (safetensors.SafetensorError, pickle.UnpicklingError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"cannot be read as weights: {reason}", where=str(path)) from error
    raise UserError(
        "no weights: neither model.safetensors nor pytorch_model.bin is here", where=str(folder)
    )


def _reordered(
    tensors: Mapping[str, Tensor], orders: list[Order], target_size: int
) -> dict[str, Tensor]:
    """The same with the pieces in our order; there is a bias, if only of zeros."""
    found = dict(tensors)
    for name in (SHARED, ENCODER_TABLE, DECODER_TABLE, HEAD):
        if name in tensors:
            order = orders[0] if name == ENCODER_TABLE else orders[-1]
            found[name] = order.rows(tensors[name])
    bias_V = tensors[BIAS].float().flatten() if BIAS in tensors else torch.zeros(target_size)
    found[BIAS] = orders[-1].bias(bias_V)
    return found
