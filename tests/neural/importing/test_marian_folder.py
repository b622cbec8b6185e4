"""Marian's own files: the same model as the MarianMT folder that they were made from."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from nmt.errors import UserError
from nmt.neural.importing.huggingface_folder import read_huggingface
from nmt.neural.importing.marian_folder import read_marian
from nmt.tokenization import TokenizerPair
from tests.neural.importing.marian_models import make_marian

OPTIONS: dict[str, Any] = {
    "type": "transformer",
    "enc-depth": 2,
    "dec-depth": 2,
    "dim-emb": 16,
    "transformer-heads": 2,
    "transformer-dim-ffn": 24,
    "transformer-ffn-activation": "swish",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-decoder-autoreg": "self-attention",
    "transformer-dropout": 0.1,
}


def as_marian(theirs: Any, folder: Path, **options: Any) -> None:
    """Write a MarianMTModel as Marian would have; `folder` has its vocabulary already."""
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    pad = theirs.config.pad_token_id
    arrays = {
        "Wemb": state["model.shared.weight"][:pad],
        "decoder_ff_logit_out_b": state["final_logits_bias"][:, :pad],
        "special:model.yml": np.frombuffer(
            yaml.safe_dump(OPTIONS | options).encode() + b"\0", dtype=np.int8
        ),
    }
    scopes = {
        "self_attn.q_proj": "self_Wq self_bq",
        "self_attn.k_proj": "self_Wk self_bk",
        "self_attn.v_proj": "self_Wv self_bv",
        "self_attn.out_proj": "self_Wo self_bo",
        "encoder_attn.q_proj": "context_Wq context_bq",
        "encoder_attn.k_proj": "context_Wk context_bk",
        "encoder_attn.v_proj": "context_Wv context_bv",
        "encoder_attn.out_proj": "context_Wo context_bo",
        "fc1": "ffn_W1 ffn_b1",
        "fc2": "ffn_W2 ffn_b2",
        "self_attn_layer_norm": "self_Wo_ln_scale self_Wo_ln_bias",
        "encoder_attn_layer_norm": "context_Wo_ln_scale context_Wo_ln_bias",
        "final_layer_norm": "ffn_ffn_ln_scale ffn_ffn_ln_bias",
    }
    for side in ("encoder", "decoder"):
        for number in range(2):
            for name, marian in scopes.items():
                weight = state.get(f"model.{side}.layers.{number}.{name}.weight")
                if weight is None:
                    continue
                bias = state[f"model.{side}.layers.{number}.{name}.bias"]
                names = (f"{side}_l{number + 1}_{one}" for one in marian.split())
                arrays |= dict(zip(names, (weight.T, bias), strict=True))
                if weight.ndim == 1:
                    arrays |= {k: v[None] for k, v in arrays.items() if "_ln_" in k and v.ndim == 1}
    np.savez(folder / "model.npz", **arrays)
    vocabulary = yaml.safe_load((folder / "vocab.json").read_text())
    lines = [
        f"{piece if piece.isalpha() else json.dumps(piece, ensure_ascii=False)}: {number}"
        for piece, number in vocabulary.items()
        if number != pad
    ]
    (folder / "vocab.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    described = {"models": ["model.npz"], "vocabs": ["vocab.yml", "vocab.yml"], "beam-size": 6}
    (folder / "decoder.yml").write_text(yaml.safe_dump(described))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    path = tmp_path_factory.mktemp("marian")
    theirs, _ = make_marian(path)
    as_marian(theirs, path)
    return path, theirs


def test_the_same_model(folder: tuple[Path, Any]) -> None:
    expected, found = read_huggingface(folder[0]), read_marian(folder[0])
    assert found.architecture.output_bias
    for name, tensor in expected.weights.items():
        other = found.weights[name]
        if name == "output":
            # Marian has no piece for padding: its bias says that it never comes.
            assert other[0, 16] < -20 < tensor[0, 16]
            other, tensor = other.clone(), tensor.clone()
            other[0, 16] = tensor[0, 16]
        torch.testing.assert_close(other, tensor, rtol=0, atol=0)
    assert found.tokenizers.content_hash == expected.tokenizers.content_hash
    assert found.search.beam == 6


def test_processes_can_be_sent_its_tokenizers(folder: tuple[Path, Any]) -> None:
    tokenizers = read_marian(folder[0]).tokenizers
    copy: TokenizerPair = pickle.loads(pickle.dumps(tokenizers))
    rows = tokenizers.source.encode(["the cat sees a door", "a dog"])
    assert copy.source.encode(["the cat sees a door", "a dog"]) == rows
    assert copy.target.decode(rows) == tokenizers.target.decode(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "amun"}, "type: 'amun' has no place here, only 'transformer'"),
        ({"transformer-preprocess": "n"}, "transformer-preprocess: 'n'"),
        ({"transformer-decoder-autoreg": "rnn"}, "'rnn'"),
    ],
    ids=str,
)
def test_other_options(
    options: dict[str, Any], message: str, folder: tuple[Path, Any], tmp_path: Path
) -> None:
    (tmp_path / "vocab.json").write_bytes((folder[0] / "vocab.json").read_bytes())
    as_marian(folder[1], tmp_path, **options)
    with pytest.raises(UserError, match=message):
        read_marian(tmp_path)


def test_pieces_that_yaml_takes_for_something_else(
    folder: tuple[Path, Any], tmp_path: Path
) -> None:
    for name in ("source.spm", "target.spm", "model.npz", "decoder.yml"):
        (tmp_path / name).write_bytes((folder[0] / name).read_bytes())
    text = (folder[0] / "vocab.yml").read_text(encoding="utf-8")
    lines = text.splitlines()
    lines[5:9] = ["yes: 5", '"\\": ": 6', "1.0: 7", "? a long piece\n: 8"]
    (tmp_path / "vocab.yml").write_text("\n".join(lines), encoding="utf-8")
    names = read_marian(tmp_path).tokenizers.target.vocabulary  # type: ignore[attr-defined]  # of neural translators
    assert {"yes", '": ', "1.0", "a long piece"} <= set(names)
    (tmp_path / "vocab.yml").write_text("\n".join(lines[:4] + lines[5:]), encoding="utf-8")
    with pytest.raises(UserError, match="not numbered"):
        read_marian(tmp_path)
