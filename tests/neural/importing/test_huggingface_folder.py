"""Imported MarianMT models against Hugging Face's own reading of the same folder."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nmt
from nmt.errors import UserError
from nmt.neural.importing.huggingface_folder import read_huggingface
from nmt.neural.importing.import_model import import_model
from nmt.neural.model.transformer import Transformer
from nmt.neural.packed import pack_batch
from nmt.neural.system import NeuralTranslator
from tests.neural.importing.marian_models import SOURCE, TARGET, make_marian

VARIANTS: list[dict[str, Any]] = [
    {},
    {"separate": True},
    {"separate": True, "tie_word_embeddings": False},
]


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    folder = tmp_path_factory.mktemp("marian")
    return folder, *make_marian(folder, std=0.6)


@pytest.fixture(scope="module")
def imported(
    marian: tuple[Path, Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> NeuralTranslator:
    output = tmp_path_factory.mktemp("imported")
    import_model(marian[0], output)
    translator = nmt.load(output, device="cpu")
    assert isinstance(translator, NeuralTranslator)
    return translator


@torch.no_grad()
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_logits(changes: dict[str, Any], tmp_path: Path) -> None:
    theirs, tokenizer = make_marian(tmp_path / "marian", **changes)
    import_model(tmp_path / "marian", tmp_path / "model")
    translator = nmt.load(tmp_path / "model", device="cpu")
    assert isinstance(translator, NeuralTranslator)
    batch = tokenizer(SOURCE[:5], text_target=TARGET[:5], padding=True, return_tensors="pt")
    logits_BTV = theirs(**batch).logits
    sources = translator.tokenizers.source.encode(SOURCE[:5])
    targets = translator.tokenizers.target.encode(TARGET[:5])
    rows = [[np.array(row) for row in side] for side in (sources, targets)]
    packed = pack_batch(rows[0], rows[1])
    ours_TV = translator.model(packed) @ translator.model.output.T
    vocabulary = tokenizer.target_encoder if "separate" in changes else tokenizer.encoder
    names = translator.tokenizers.target.vocabulary  # type: ignore[attr-defined]  # of neural translators
    columns = [vocabulary[name] for name in names]
    for row, (begin, end) in enumerate(itertools.pairwise(packed.target.offsets.tolist())):
        expected_TV = logits_BTV[row, : end - begin, columns]
        # The second of our ids is the padding again, which the decoder starts with.
        kept = [piece for piece in range(len(names)) if piece != 1]
        torch.testing.assert_close(
            ours_TV[begin:end, kept], expected_TV[:, kept], rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("beam", [1, 4])
def test_translations(beam: int, marian: tuple[Path, Any, Any], imported: NeuralTranslator) -> None:
    """Of the same search, without normalisation by length; of those that end by themselves.

    Where the limit ends a hypothesis, theirs costs nothing and ours what the model says.
    """
    _, theirs, tokenizer = marian
    lines = [*SOURCE[::3], ">>nld<< The cat sees this.", "Ünknown ☃ pieces."]
    limit = 40
    imported.settings = imported.settings.model_copy(
        update={"max_length_ratio": 1e-9, "max_length_extra": limit}
    )
    ours = imported.translate(lines, beam=beam, length_penalty=0.0)
    compared = 0
    for line, one in zip(lines, ours, strict=True):
        batch = tokenizer([line], return_tensors="pt")
        found = theirs.generate(
            **batch, num_beams=beam, do_sample=False, max_length=limit + 1,
            **({"length_penalty": 0.0} if beam > 1 else {}),
        )  # fmt: skip
        if int(found[0, -1]) == 0:
            compared += 1
            assert [one.text] == tokenizer.batch_decode(found, skip_special_tokens=True)
    assert compared >= (3 if beam == 1 else 8)


def test_pieces(marian: tuple[Path, Any, Any], imported: NeuralTranslator) -> None:
    _, _, tokenizer = marian
    source, target = imported.tokenizers.source, imported.tokenizers.target
    line = ">>deu<< The cat sees this."
    assert source.pieces(line) == tokenizer.tokenize(line)
    assert source.pieces(line)[0] == ">>deu<<"
    assert target.decode(target.encode(TARGET)) == TARGET
    with pytest.raises(UserError, match="cannot sample"):
        source.encode_sampled([line], rate=0.1, seed=1)


def test_of_pickles_only_weights_are_read(marian: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = tmp_path / "marian"
    shutil.copytree(marian[0], folder)
    weights = marian[1].state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    expected, found = read_huggingface(marian[0]), read_huggingface(folder)
    for name, tensor in expected.weights.items():
        assert torch.equal(tensor, found.weights[name])
    torch.save({"a": Path("/")}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read as weights"):
        read_huggingface(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bart"}, "model_type: bart has no place here"),
        ({"scale_embedding": False}, "scale_embedding: False"),
        ({"activation_function": "tanh"}, "activation_function: tanh"),
        ({"decoder_ffn_dim": 25}, "are not the same"),
        ({"d_model": "wide"}, "not the configuration"),
        ({"d_model": 18}, "not of the sizes|do not fit"),
        ({"encoder_layers": 3}, "encoder.2.feed_forward.inner.bias is missing"),
        ({"vocab_size": 5}, "has the id 5, and the model has 5 pieces"),
    ],
    ids=str,
)
def test_other_configurations(
    changes: dict[str, Any], message: str, marian: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "marian"
    shutil.copytree(marian[0], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=message):
        import_model(folder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["source.spm", "vocab.json", "model.safetensors"])
def test_missing_files(name: str, marian: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = tmp_path / "marian"
    shutil.copytree(marian[0], folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match=r"missing|no weights"):
        import_model(folder, tmp_path / "model")


def test_an_imported_model_is_a_transformer(imported: NeuralTranslator) -> None:
    assert isinstance(imported.model, Transformer)
    architecture = imported.model.architecture
    assert (architecture.activation, architecture.output_bias) == ("swish", True)
    assert imported.settings.beam == 4
    assert (imported.source_language, imported.target_language) == ("en", "de")
