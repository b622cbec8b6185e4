"""Marian's own files (Junczys-Dowmunt et al. 2018), as OPUS-MT's archives hold them.

::

    decoder.yml               which of the files are the model and its vocabularies
    MODEL.npz                 weights, and the options that they were trained with
    VOCABULARY.yml            the pieces' ids
    source.spm, target.spm    SentencePiece models
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import torch
import yaml
from torch import Tensor

from nmt.errors import UserError, UserErrors
from nmt.neural.importing.parts import NEVER, ImportedModel, Order, in_our_terms, read_bytes
from nmt.neural.marian_names import BIAS, DECODER_TABLE, ENCODER_TABLE, HEAD, SHARED
from nmt.neural.model.architecture import Architecture
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.marian import MarianTokenizer
from nmt.tokenization.pair import TokenizerPair

_DESCRIPTION: Final = "decoder.yml"
_OPTIONS: Final = "special:model.yml"

_MUST_BE: Final[dict[str, tuple[Any, ...]]] = {
    "type": ("transformer",),
    "transformer-decoder-autoreg": ("self-attention",),
    "transformer-ffn-activation": ("relu", "swish"),
    "transformer-preprocess": ("",),
    "transformer-postprocess": ("dan",),
    "transformer-postprocess-emb": ("d", ""),
    "transformer-no-projection": (False,),
    "transformer-tied-layers": ([],),
    "transformer-train-position-embeddings": (False,),
    "factors-combine": ("sum",),
}
"""Options that have to be so where they are there."""

_POSITIONS: Final = 1024
"""Longest sequence: Marian's sinusoids go on for ever, ours are in a table."""


def is_marian(folder: Path) -> bool:
    """Whether a folder has what such a model begins with."""
    return (folder / _DESCRIPTION).is_file()


def read_marian(folder: Path) -> ImportedModel:
    """Read a folder.

    Raises UserError, or UserErrors for several, that say what is missing, damaged or of a kind that
    has no place here.
    """
    where = folder / _DESCRIPTION
    described = _read_yaml(where)
    try:
        model_file, vocabulary_files = described["models"][0], described["vocabs"]
        source_file, target_file = vocabulary_files[0], vocabulary_files[-1]
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(
            "it does not name a model and its vocabularies", where=str(where)
        ) from error
    if len(described["models"]) > 1:
        raise UserError("it names several models, an ensemble", where=str(where))
    arrays = _read_arrays(folder / model_file)
    options = _read_options(arrays, folder / model_file)
    names = [_read_vocabulary(folder / file) for file in dict.fromkeys((source_file, target_file))]
    architecture = _architecture(options, arrays, [len(side) + 2 for side in names])
    # Marian has no piece for padding, and its decoder starts with a vector of zeros.
    orders = [Order.of([*side, "<pad>"], where=str(folder), start=None) for side in names]
    tensors = dict(_renamed(arrays, architecture))
    for name in (SHARED, ENCODER_TABLE, DECODER_TABLE, HEAD):
        if name in tensors:
            order = orders[0] if name == ENCODER_TABLE else orders[-1]
            zeros = torch.zeros(1, architecture.width)
            tensors[name] = order.rows(torch.cat((tensors[name], zeros)))
    bias_V = torch.cat((tensors[BIAS], torch.tensor([NEVER])))
    tensors[BIAS] = orders[-1].bias(bias_V)
    tokenizers = [
        MarianTokenizer(read_bytes(folder / f"{side}.spm"), order.names([*vocabulary, "<pad>"]))
        for side, order, vocabulary in (
            ("source", orders[0], names[0]),
            ("target", orders[-1], names[-1]),
        )
    ]
    return ImportedModel(
        architecture,
        in_our_terms(tensors, architecture, where=str(folder / model_file)),
        TokenizerPair(*tokenizers),
        SearchSettings(
            beam=described.get("beam-size", 6), length_penalty=float(described.get("normalize", 1))
        ),
        (None, None),
    )


def _architecture(
    options: Mapping[str, Any], arrays: Mapping[str, np.ndarray], sizes: list[int]
) -> Architecture:
    tied = "all" if "Wemb" in arrays else "decoder"
    if any(name in arrays for name in ("decoder_ff_logit_out_W", "decoder_ff_logit_out_Wt")):
        tied = "none"
    dropout = options.get("transformer-dropout", 0.1)
    return Architecture.from_json(
        {
            "encoder_layers": options["enc-depth"],
            "decoder_layers": options["dec-depth"],
            "width": options["dim-emb"],
            "feed_forward_width": options["transformer-dim-ffn"],
            "heads": options["transformer-heads"],
            "norm_position": "post",
            "activation": options["transformer-ffn-activation"],
            "tied_embeddings": tied,
            "output_bias": True,
            "dropout": dropout,
            "embedding_dropout": dropout,
            "attention_dropout": options.get("transformer-dropout-attention", 0.0),
            "activation_dropout": options.get("transformer-dropout-ffn", 0.0),
            "max_positions": _POSITIONS,
            "source_vocabulary_size": sizes[0],
            "target_vocabulary_size": sizes[-1],
        }
    )


def _renamed(
    arrays: Mapping[str, np.ndarray], architecture: Architecture
) -> Iterator[tuple[str, Tensor]]:
    """The arrays under Hugging Face's names; what is missing is told later."""

    def matrix(scope: str, part: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        for marian, kind in ((f"{scope}_W{part}", "weight"), (f"{scope}_b{part}", "bias")):
            if marian in arrays:
                # Marian multiplies from the left: its matrices are the transposes.
                array = arrays[marian].T if kind == "weight" else arrays[marian].reshape(-1)
                yield f"{ours}.{kind}", _tensor(array)

    def norm(name: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        for marian, kind in (("scale", "weight"), ("bias", "bias")):
            if (key := f"{name}_ln_{marian}") in arrays:
                yield f"{ours}.{kind}", _tensor(arrays[key].reshape(-1))

    attentions = {"self": "self_attn", "context": "encoder_attn"}
    for side in ("encoder", "decoder"):
        for number in range(getattr(architecture, f"{side}_layers")):
            here, there = f"{side}_l{number + 1}", f"model.{side}.layers.{number}"
            for name, ours in attentions.items():
                if side == "encoder" and name == "context":
                    continue
                for part, ends in zip("qkvo", ("q", "k", "v", "out"), strict=True):
                    yield from matrix(f"{here}_{name}", part, f"{there}.{ours}.{ends}_proj")
                yield from norm(f"{here}_{name}_Wo", f"{there}.{ours}_layer_norm")
            yield from matrix(f"{here}_ffn", "1", f"{there}.fc1")
            yield from matrix(f"{here}_ffn", "2", f"{there}.fc2")
            yield from norm(f"{here}_ffn_ffn", f"{there}.final_layer_norm")
    tables = {"Wemb": SHARED, "encoder_Wemb": ENCODER_TABLE, "decoder_Wemb": DECODER_TABLE}
    for name, ours in tables.items():
        if name in arrays:
            yield ours, _tensor(arrays[name])
    if "decoder_ff_logit_out_Wt" in arrays:
        yield HEAD, _tensor(arrays["decoder_ff_logit_out_Wt"])
    elif "decoder_ff_logit_out_W" in arrays:
        yield HEAD, _tensor(arrays["decoder_ff_logit_out_W"].T)
    yield BIAS, _tensor(arrays["decoder_ff_logit_out_b"].reshape(-1))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    read_bytes(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file.items())
    except (ValueError, OSError, BadZipFile, EOFError) as error:
        raise UserError(f"cannot be read as weights: {error}", where=str(path)) from error


def _read_options(arrays: Mapping[str, np.ndarray], path: Path) -> dict[str, Any]:
    """The options that a model was trained with; text in an array of bytes, closed by a zero."""
    if _OPTIONS not in arrays or "decoder_ff_logit_out_b" not in arrays:
        raise UserError("not the weights of a Marian model", where=str(path))
    text = arrays[_OPTIONS].tobytes().rstrip(b"\0").decode("utf-8", errors="replace")
    options = yaml.safe_load(text)
    if not isinstance(options, dict):
        raise UserError("its options are none", where=str(path))
    errors = [
        UserError(
            f"{name}: {options[name]!r} has no place here, only "
            f"{' or '.join(repr(value) for value in allowed)}",
            where=str(path),
        )
        for name, allowed in _MUST_BE.items()
        if name in options and options[name] not in allowed
    ]
    needed = (
        "enc-depth", "dec-depth", "dim-emb", "transformer-dim-ffn", "transformer-heads",
        "transformer-ffn-activation",
    )  # fmt: skip
    errors += [
        UserError(f"its options do not say {name}", where=str(path))
        for name in needed
        if name not in options
    ]
    if errors:
        raise UserErrors(errors)
    return options


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"not YAML ({error})", where=str(path)) from error
    if not isinstance(value, dict):
        raise UserError("not a mapping", where=str(path))
    return value


_PLAIN_ENTRY: Final = re.compile(r"(?P<piece>.+?):\s+(?P<id>\d+)\s*\Z", re.DOTALL)


def _read_vocabulary(path: Path) -> list[str]:
    """Pieces by their ids.

    The file is YAML in form, but pieces such as ``yes`` and ``1.0`` are text, and different pieces
    may be the same to YAML: each line is an entry.
    """
    ids: dict[int, str] = {}
    text = read_bytes(path).decode("utf-8", errors="replace")
    waiting = ""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if line.startswith("? "):  # a long piece, whose id is on the next line
            waiting = line[2:]
            continue
        entry = f"{waiting}{line}" if waiting and line.startswith(":") else line
        waiting = ""
        found = _PLAIN_ENTRY.fullmatch(entry)
        if found is None:
            raise UserError("not a piece and its id", where=f"{path}:{number}")
        ids[int(found["id"])] = _unquoted(found["piece"].strip(" "))
    if sorted(ids) != list(range(len(ids))):
        raise UserError("the pieces are not numbered from 0 on", where=str(path))
    return [ids[number] for number in range(len(ids))]


def _unquoted(piece: str) -> str:
    if len(piece) >= 2 and piece[0] == piece[-1] and piece[0] in "'\"":
        return str(yaml.safe_load(piece))
    return piece
