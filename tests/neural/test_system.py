from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt.errors import UserError
from nmt.model_folder import open_model_folder, write_model_folder
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.search.beam import beam_search
from nmt.neural.search.sampling import sample
from nmt.neural.system import TOKENIZER, NeuralTranslator, load_neural
from nmt.neural.weights import WEIGHTS, load_weights, save_weights
from nmt.recipe.neural import SearchSettings
from nmt.search_options import Sampling, SearchOptions
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import SentencePieceSettings
from tests.neural.models import make_model, make_recurrent, random_rows

TEXT = [
    f"{who} {does} {what}."
    for who in ("The cat", "A small dog", "My brother")
    for does in ("sees", "likes to paint", "remembers")
    for what in ("the river", "an old house", "your bicycle")
]


@pytest.fixture(scope="module")
def tokenizers() -> TokenizerPair:
    settings = SentencePieceSettings(algorithm="bpe", vocabulary_size=330)
    return learn_tokenizers(settings, TEXT, TEXT[::-1], cache=None)


@pytest.fixture(scope="module")
def model(tokenizers: TokenizerPair) -> Transformer:
    size = tokenizers.source.vocabulary_size
    return make_model(sharpness=2.0, source_vocabulary_size=size, target_vocabulary_size=size)


@pytest.fixture(autouse=True)
def unchanged_pytorch() -> Iterator[None]:
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


def make_translator(
    model: TranslationModel,
    tokenizers: TokenizerPair,
    workers: int = 1,
    settings: SearchSettings | None = None,
) -> NeuralTranslator:
    return NeuralTranslator(
        model,
        tokenizers,
        settings or SearchSettings(beam=3, max_length_extra=4),
        source_language="en",
        target_language="de",
        workers=workers,
    )


# --- weights


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tied_embeddings": "none", "target_vocabulary_size": 23},
        {"positions": "learned", "norm": "rmsnorm", "norm_position": "post"},
    ],
    ids=str,
)
def test_weights_come_back_as_they_were(changes: dict[str, Any], tmp_path: Path) -> None:
    model, other = make_model(seed=1, **changes), make_model(seed=2, **changes)
    save_weights(model, tmp_path / "weights")
    load_weights(other, tmp_path / "weights")
    for (name, saved), (other_name, loaded) in zip(
        model.named_parameters(), other.named_parameters(), strict=True
    ):
        assert name == other_name
        assert torch.equal(saved, loaded)
    tied = changes.get("tied_embeddings") != "none"
    assert (other.output is other.target_embedding.table.weight) == tied


def test_shared_weights_are_written_once(tmp_path: Path) -> None:
    model = make_model()
    save_weights(model, tmp_path / "weights")
    written = (tmp_path / "weights").stat().st_size
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 4 * count < written < 4 * count + 10_000


def test_weights_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_weights(make_model(), path)
    with pytest.raises(UserError) as caught:
        load_weights(make_model(encoder_layers=3, feed_forward_width=32), path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "do not fit the model's settings" in message
    assert "decoder.0.feed_forward.inner.bias is 24, not 32" in message
    with pytest.raises(UserError, match=r"is missing, not 16"):
        load_weights(make_model(encoder_layers=3), path)
    with pytest.raises(UserError, match=r"is 16, not missing"):
        load_weights(make_model(encoder_layers=1), path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:4],
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" * 100,
        lambda content: content + b"more",
    ],
)
def test_damaged_weights(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_weights(make_model(), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="cannot be read as weights"):
        load_weights(make_model(), path)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as weights"):
        load_weights(make_model(), tmp_path / "weights")


# --- searching


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize(
    "options", [SearchOptions(nbest=2), SearchOptions(sampling=Sampling())], ids=["beam", "sample"]
)
def test_workers_share_the_work_and_change_nothing(
    options: SearchOptions,
    workers: int,
    count: int,
    model: Transformer,
    tokenizers: TokenizerPair,
) -> None:
    sources = random_rows([1 + 5 * n % 7 for n in range(count)], vocabulary=300)
    alone = make_translator(model, tokenizers).search_pieces(sources, options)
    shared = make_translator(model, tokenizers, workers).search_pieces(sources, options)
    assert len(shared) == count
    for one, other in zip(alone, shared, strict=True):
        assert [f.pieces for f in one] == [f.pieces for f in other]
        assert [f.score for f in one] == pytest.approx([f.score for f in other], abs=1e-5)


def test_work_is_mapped_in_order(model: Transformer, tokenizers: TokenizerPair) -> None:
    translator = make_translator(model, tokenizers, workers=2)
    assert translator.map_parallel(lambda x: x * x, range(50)) == [x * x for x in range(50)]

    def fail(x: int) -> int:
        raise ValueError(x)

    with pytest.raises(ValueError, match="0"):
        translator.map_parallel(fail, range(5))


def test_options_take_the_place_of_the_models_settings(
    model: Transformer, tokenizers: TokenizerPair
) -> None:
    settings = SearchSettings(beam=3, length_penalty=1.0, max_length_extra=3)
    translator = make_translator(model, tokenizers, settings=settings)
    sources = random_rows([3, 5], vocabulary=300)

    def expect(options: SearchOptions, **changes: Any) -> None:
        wanted = SearchSettings(**{**settings.model_dump(), **changes})
        found = translator.search_pieces(sources, options)
        assert found == beam_search(model, sources, wanted, nbest=options.nbest)

    expect(SearchOptions())
    expect(SearchOptions(beam=1), beam=1)
    expect(SearchOptions(length_penalty=0.0), length_penalty=0.0)
    expect(SearchOptions(beam=6, nbest=4), beam=6)
    expect(SearchOptions(nbest=5), beam=5)
    drawn = translator.search_pieces(
        sources, SearchOptions(nbest=2, sampling=Sampling(temperature=0.7, seed=3))
    )
    assert drawn == sample(model, sources, settings, Sampling(temperature=0.7, seed=3), count=2)


def test_equal_lines_are_sampled_apart_and_reproducibly(
    model: Transformer, tokenizers: TokenizerPair
) -> None:
    lines = ["The cat sees the river."] * 4 + ["A dog", "The cat sees the river."]
    found = [
        make_translator(model, tokenizers, workers=workers).translate(lines, sampling=Sampling())
        for workers in (1, 2)
    ]
    assert found[0] == found[1]
    texts = [found[0][i].text for i in (0, 1, 2, 3, 5)]
    assert len(set(texts)) > 3


def test_text_in_text_out(model: Transformer, tokenizers: TokenizerPair) -> None:
    translator = make_translator(model, tokenizers)
    segments = ["The cat sees the river.", "My brother likes your bicycle"]
    found = translator.search(segments, SearchOptions(nbest=2))
    rows = [np.array(row) for row in tokenizers.source.encode(segments)]
    assert translator.count_pieces(segments) == [len(row) for row in rows]
    expected = translator.search_pieces(rows, SearchOptions(nbest=2))
    for hypotheses, pieces in zip(found, expected, strict=True):
        assert [h.text for h in hypotheses] == tokenizers.target.decode([p.pieces for p in pieces])
        assert [h.score for h in hypotheses] == [p.score for p in pieces]
        assert [h.num_pieces for h in hypotheses] == [len(p.pieces) + 1 for p in pieces]
    lines = [segments[0], "", segments[1]]
    assert [t.text for t in translator.translate(lines, nbest=2)] == [
        found[0][0].text, "", found[1][0].text
    ]  # fmt: skip


def test_long_input_is_split_so_that_it_fits(model: Transformer, tokenizers: TokenizerPair) -> None:
    translator = make_translator(model, tokenizers)
    limit = translator.max_segment_pieces
    assert 1 <= limit < model.architecture.max_positions - 1
    (row,) = random_rows([limit], vocabulary=300)
    assert translator.search_pieces([row], SearchOptions())
    line = " ".join(TEXT)
    assert translator.count_pieces([line])[0] > 2 * limit
    (translation,) = translator.translate([line])
    assert translation.num_source_pieces > 2 * limit


def test_input_longer_than_training_saw_is_split(
    model: Transformer, tokenizers: TokenizerPair
) -> None:
    translator = NeuralTranslator(
        model, tokenizers, SearchSettings(), source_language="en", target_language="de",
        workers=1, max_source_pieces=9,
    )  # fmt: skip
    assert translator.max_segment_pieces == 8
    searched: list[int] = []
    searcher = translator.searchers.searcher
    search = searcher.search_pieces

    def noting(sources: Any, options: SearchOptions, draws: Sequence[int] = ()) -> Any:
        searched.extend(len(source) for source in sources)
        return search(sources, options, draws)

    searcher.search_pieces = noting  # type: ignore[method-assign]  # of all searchers
    translator.translate([" ".join(TEXT)])
    assert len(searched) > 1
    assert max(searched) <= 8


# --- model folders


def write_folder(
    folder: Path, model: TranslationModel, tokenizers: TokenizerPair, **settings: Any
) -> None:
    def fill(staging: Path) -> None:
        save_weights(model, staging / WEIGHTS)
        tokenizers.save(staging / TOKENIZER)

    write_model_folder(
        folder,
        kind="recurrent" if isinstance(model, Recurrent) else "transformer",
        source_language="en",
        target_language="de",
        settings={
            "architecture": model.architecture.to_json(),
            "search": SearchSettings(beam=2, max_length_extra=3).model_dump(mode="json"),
            **settings,
        },
        training={},
        fill=fill,
    )


@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_a_model_folder_translates_as_the_model_did(
    make: Callable[..., TranslationModel], tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    size = tokenizers.source.vocabulary_size
    model = make(sharpness=2.0, source_vocabulary_size=size, target_vocabulary_size=size)
    write_folder(tmp_path / "m", model, tokenizers)
    loaded = load_neural(open_model_folder(tmp_path / "m"), "cpu")
    assert (loaded.source_language, loaded.target_language) == ("en", "de")
    settings = SearchSettings(beam=2, max_length_extra=3)
    assert loaded.settings == settings
    assert loaded.default_batch_tokens == settings.batch_tokens
    original = make_translator(model, tokenizers, settings=settings)
    texts: list[list[str]] = [
        [translation.text for translation in translator.translate(TEXT[:5])]
        for translator in (loaded, original)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": None}, "not the architecture"),
        ({"architecture": {"width": 16}}, "encoder_layers"),
        ({"search": {"beam": 0}}, "beam"),
        ({"search": {"beams": 3}}, "beams"),
        ({"search": None}, "not the settings of a search"),
    ],
    ids=str,
)
def test_settings_that_are_none(
    settings: dict[str, Any],
    message: str,
    model: Transformer,
    tokenizers: TokenizerPair,
    tmp_path: Path,
) -> None:
    write_folder(tmp_path / "m", model, tokenizers, **settings)
    with pytest.raises(UserError, match=message) as caught:
        load_neural(open_model_folder(tmp_path / "m"), "cpu")
    assert str(caught.value).startswith(str(tmp_path / "m"))


def test_a_model_of_another_kind(
    model: Transformer, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    settings = make_recurrent().architecture.to_json()
    write_folder(tmp_path / "m", model, tokenizers, architecture=settings)
    with pytest.raises(UserError, match="not the architecture of a Transformer"):
        load_neural(open_model_folder(tmp_path / "m"), "cpu")


def test_a_tokenizer_of_another_model(
    model: Transformer, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    smaller = replace(model.architecture, source_vocabulary_size=90, target_vocabulary_size=90)
    write_folder(tmp_path / "m", Transformer(smaller), tokenizers)
    with pytest.raises(UserError, match=r"of \(90, 90\) source and target pieces"):
        load_neural(open_model_folder(tmp_path / "m"), "cpu")


def test_nothing_secret_or_executable_is_in_the_weights(tmp_path: Path) -> None:
    """The header of safetensors is plain JSON: names, types, shapes, places."""
    save_weights(make_model(), tmp_path / "weights")
    content = (tmp_path / "weights").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    names: Sequence[str] = [name for name, _ in make_model().named_parameters()]
    assert set(header) == set(names)
    assert all(entry["dtype"] == "F32" for entry in header.values())
