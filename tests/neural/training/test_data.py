"""From a prepared corpus to pieces: the right pairs, by the right numbers."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from nmt.corpus import PreparedCorpus, prepare_corpus
from nmt.errors import UserError
from nmt.neural.training.batches import Position
from nmt.neural.training.data import SAMPLING_SLACK, TrainingData
from nmt.recipe import read_recipe
from nmt.recipe.neural import TrainingSettings
from nmt.tokenization import TokenizerPair, learn_tokenizers
from tests.small_corpus import write_corpus

SETTINGS = TrainingSettings(batch_tokens=256)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[PreparedCorpus, TokenizerPair, Path]:
    """A small corpus, its tokenizers, and the cache."""
    folder = tmp_path_factory.mktemp("corpus")
    recipe = read_recipe(str(write_corpus(folder)))
    cache = folder / "cache"
    corpus = prepare_corpus(recipe.corpus, cache=cache, report=lambda text: None)
    tokenizers = learn_tokenizers(
        recipe.tokenizer, corpus.train.source, corpus.train.target, cache=cache
    )
    return corpus, tokenizers, cache


def make_data(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path],
    *,
    max_positions: int = 1000,
    sampling_rate: float = 0.0,
) -> TrainingData:
    """The data for a model of so many positions."""
    corpus, tokenizers, cache = prepared
    return TrainingData.prepare(
        corpus.train, tokenizers, max_positions=max_positions, sampling_rate=sampling_rate,
        cache=cache,
    )  # fmt: skip


def texts(data: TrainingData, seed: int = 1, updates: int = 8) -> list[tuple[str, str]]:
    """What the first updates hold, decoded, beside what ``show`` says that they hold."""
    shape = data.shape(SETTINGS, micro_batch_tokens=128, workers=1)
    shown, held = set(), set()
    for update in islice(data.stream(shape, seed=seed).updates(Position()), updates):
        shown |= set(data.show(update.pairs))
        for batch in update.micro_batches:
            sides = [
                tokenizer.decode([row.tolist() for row in np.split(pieces.numpy(), offsets[1:])])
                for tokenizer, pieces, offsets in (
                    (data.tokenizers.source, batch.source.pieces_N, batch.source.offsets.numpy()),
                    (data.tokenizers.target, batch.labels_T, batch.target.offsets.numpy()),
                )
            ]
            # What comes after the last sentence is padding.
            held |= set(zip(sides[0][:-1], sides[1][:-1], strict=True))
    assert shown == held
    return sorted(shown)


@pytest.mark.parametrize("sampling_rate", [0.0, 0.3])
def test_updates_hold_the_text_of_their_pairs(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path], sampling_rate: float
) -> None:
    """However it is cut into pieces; source and target belong together."""
    corpus = prepared[0]
    pairs = texts(make_data(prepared, sampling_rate=sampling_rate))
    assert len(pairs) > 30
    assert set(pairs) <= set(zip(corpus.train.source, corpus.train.target, strict=True))


def test_numbers_stay_right_where_pairs_are_left_out(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path],
) -> None:
    """Those that are too long for the model are counted, and never come."""
    everything = make_data(prepared)
    limit = int(np.median(np.maximum(everything.source_lengths, everything.target_lengths)))
    data = make_data(prepared, max_positions=limit)
    assert 0 < data.num_left_out < len(data.pieces)
    assert data.source_lengths.max() <= limit
    assert data.target_lengths.max() <= limit
    assert set(texts(data)) < set(texts(everything, updates=60))


def test_sampling_draws_anew_by_seed_and_epoch(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path],
) -> None:
    """The same for the same; and room for longer sentences."""
    data = make_data(prepared, sampling_rate=0.3)
    shape = data.shape(SETTINGS, micro_batch_tokens=10**6, workers=1)
    assert shape.target_positions >= data.target_lengths.max() * SAMPLING_SLACK

    def pieces(epoch: int, seed: int = 1) -> list[int]:
        update = next(data.stream(shape, seed=seed).updates(Position(epoch)))
        found: list[int] = update.micro_batches[0].source.pieces_N.tolist()
        return found

    assert pieces(0) == pieces(0)
    assert pieces(0) != pieces(1)
    assert pieces(0) != pieces(0, seed=2)


def test_nothing_short_enough_is_an_error(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path],
) -> None:
    """Before anything is trained."""
    with pytest.raises(UserError, match="all training pairs are longer than 3 pieces"):
        make_data(prepared, max_positions=3)


@pytest.mark.parametrize(
    ("longest", "max_positions", "expected"),
    [(20, 1024, 64), (300, 1024, 300), (900, 1024, 512), (20, 100, 50)],
)
def test_a_model_is_given_no_longer_sources_than_it_has_seen(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path],
    longest: int,
    max_positions: int,
    expected: int,
) -> None:
    """But 64 pieces always, and never more than leaves the output room to be longer."""
    data = make_data(prepared)
    lengths = np.array([5, longest])
    changed = TrainingData(
        data.text, data.tokenizers, data.pieces, data.kept, lengths, lengths, max_positions, 0.0
    )
    assert changed.longest_source == expected


def test_the_hardest_update_holds_the_longest_pair(
    prepared: tuple[PreparedCorpus, TokenizerPair, Path],
) -> None:
    """By its number among the kept ones."""
    data = make_data(prepared)
    shape = data.shape(SETTINGS, micro_batch_tokens=256, workers=1)
    update = data.stream(shape, seed=1).update_of(data.hardest(shape))
    both = data.source_lengths + data.target_lengths
    assert both[update.pairs].max() == both.max()
    assert len(update.pairs) > 10
