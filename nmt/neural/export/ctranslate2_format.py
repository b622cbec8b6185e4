"""A Transformer as a CTranslate2 model (Klein et al. 2020): the same function, other files.

::

    model.bin                 weights
    config.json               special tokens
    *_vocabulary.json         the tokenizer's pieces by their ids

CTranslate2 and its users find pieces under the names that the tokenizer gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from nmt.errors import UserError
from nmt.neural.export.opened import named_weights, split_output
from nmt.neural.export.variants import CTRANSLATE2, refuse_variants
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.layers import sinusoids
from nmt.neural.model.transformer import Transformer
from nmt.tokenization.huggingface import HuggingFaceTokenizer
from nmt.tokenization.marian import MarianTokenizer
from nmt.tokenization.pair import TokenizerPair
from nmt.tokenization.protocol import BOS_ID, EOS_ID, UNK_ID, Tokenizer
from nmt.tokenization.sentencepiece_tokenizer import SentencePieceTokenizer

NAME: Final = "CTranslate2"

_Weights = dict[str, np.ndarray]

Names = tuple[Sequence[str], Sequence[str]]
"""What the pieces of the source and of the target are called, by their ids."""


def write_ctranslate2(
    model: Transformer, names: Names, folder: Path, quantization: str | None
) -> None:
    """Write the model's files into an existing folder.

    Args:
        model: on the CPU, in float32.
        names: of the source's and the target's pieces, by their ids.
        folder: where to.
        quantization: type in which weights are kept; None is float32.

    Raises UserError that names what CTranslate2 cannot hold.
    """
    architecture = model.architecture
    refuse_variants(architecture.to_json(), CTRANSLATE2, NAME)
    weights = named_weights(model)
    output, bias = split_output(model)
    spec = _specification(architecture)
    sides = (
        (spec.encoder, spec.encoder.embeddings[0], "encoder", model.source_embedding),
        (spec.decoder, spec.decoder.embeddings, "decoder", model.target_embedding),
    )
    for part, embeddings, side, ours in sides:
        embeddings.weight = ours.table.weight.detach()[:, : architecture.width].numpy()
        part.scale_embeddings = True
        if architecture.positions == "learned":
            part.position_encodings.encodings = ours.learned.detach().numpy()
        elif architecture.positions == "sinusoidal":
            part.position_encodings.encodings = sinusoids(
                architecture.max_positions, architecture.width
            ).numpy()
        if architecture.norm_position == "pre":
            _set_norm(part.layer_norm, weights, f"{side}_norm")
        for number, layer in enumerate(part.layer):
            _set_layer(layer, weights, f"{side}.{number}", architecture)
    spec.decoder.projection.weight = output
    if bias is not None:
        spec.decoder.projection.bias = bias
    _name_pieces(spec, names)
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))


def _specification(architecture: Architecture) -> Any:
    from ctranslate2.specs import Activation, TransformerSpec
    from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

    rotary = architecture.positions == "rotary"
    activations = {
        "relu": Activation.RELU,
        "gelu": Activation.GELU,
        "swish": Activation.SWISH,
        "swiglu": Activation.SWISH,
    }
    variants = {
        "pre_norm": architecture.norm_position == "pre",
        "activation": activations[architecture.activation],
        "ffn_glu": architecture.activation == "swiglu",
        "rms_norm": architecture.norm == "rmsnorm",
        "rotary_dim": architecture.head_width if rotary else None,
        "rotary_interleave": True,
    }
    encoder = TransformerEncoderSpec(architecture.encoder_layers, architecture.heads, **variants)
    decoder = TransformerDecoderSpec(architecture.decoder_layers, architecture.heads, **variants)
    if rotary:
        del encoder.position_encodings
    return TransformerSpec(encoder, decoder)


def _set_layer(layer: Any, weights: _Weights, prefix: str, architecture: Architecture) -> None:
    attention = layer.self_attention
    _set_linear(attention.linear[0], weights, f"{prefix}.self_attention.qkv")
    _set_linear(attention.linear[1], weights, f"{prefix}.self_attention.out")
    _set_norm(attention.layer_norm, weights, f"{prefix}.self_attention_norm")
    if hasattr(layer, "attention"):
        for linear, name in zip(layer.attention.linear, ("q", "kv", "out"), strict=True):
            _set_linear(linear, weights, f"{prefix}.cross_attention.{name}")
        _set_norm(layer.attention.layer_norm, weights, f"{prefix}.cross_attention_norm")
    inner = f"{prefix}.feed_forward.inner"
    if architecture.activation == "swiglu":
        gate, value = (np.split(weights[f"{inner}.{kind}"], 2) for kind in ("weight", "bias"))
        layer.ffn.linear_0.weight, layer.ffn.linear_0.bias = gate[0], value[0]
        layer.ffn.linear_0_noact.weight, layer.ffn.linear_0_noact.bias = gate[1], value[1]
    else:
        _set_linear(layer.ffn.linear_0, weights, inner)
    _set_linear(layer.ffn.linear_1, weights, f"{prefix}.feed_forward.outer")
    _set_norm(layer.ffn.layer_norm, weights, f"{prefix}.feed_forward_norm")


def _set_linear(linear: Any, weights: _Weights, name: str) -> None:
    linear.weight, linear.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]


def _set_norm(norm: Any, weights: _Weights, name: str) -> None:
    norm.gamma = weights[f"{name}.weight"]
    if f"{name}.bias" in weights:
        norm.beta = weights[f"{name}.bias"]


def _name_pieces(spec: Any, names: Names) -> None:
    source, target = names
    spec.register_source_vocabulary(list(source))
    spec.register_target_vocabulary(list(target))
    spec.config.bos_token = spec.config.decoder_start_token = target[BOS_ID]
    spec.config.eos_token = target[EOS_ID]
    spec.config.unk_token = target[UNK_ID]
    spec.config.add_source_eos = True


def names_of(tokenizers: TokenizerPair) -> Names:
    """The names of both tokenizers' pieces; see `piece_names`."""
    return piece_names(tokenizers.source), piece_names(tokenizers.target)


def piece_names(tokenizer: Tokenizer) -> list[str]:
    """The pieces of a tokenizer by their ids.

    Raises UserError for a tokenizer of words, which is not one of neural systems.
    """
    if isinstance(tokenizer, SentencePieceTokenizer | HuggingFaceTokenizer | MarianTokenizer):
        return tokenizer.vocabulary
    raise UserError(f"{type(tokenizer).__name__} has no pieces that could be named")
