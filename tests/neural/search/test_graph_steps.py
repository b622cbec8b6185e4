"""Static steps compute what steps of any shape do, also when they are recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.neural.model.ensemble import Ensemble
from nmt.neural.model.transformer import Transformer
from nmt.neural.search import beam as beam_module
from nmt.neural.search import graph_steps
from nmt.neural.search.beam import beam_search
from nmt.neural.search.families import Layout
from nmt.neural.search.graph_steps import GraphSteps, StepGraphs, prepare_graphs
from nmt.neural.search.sampling import sample
from nmt.neural.search.shortlist import CandidateLists, Shortlist
from nmt.neural.search.static_steps import StaticStep, StepResults, Wanted
from nmt.neural.search.step_buffers import StepBuffers
from nmt.neural.search.steps import begin_steps
from nmt.neural.search.transformer_steps import TransformerSteps
from nmt.recipe.neural import SearchSettings
from nmt.search_options import Sampling
from nmt.tokenization.protocol import BOS_ID, NUM_CONTROL_IDS
from tests.neural.models import constant_model, make_model, make_recurrent, random_rows
from tests.neural.recorded import RecordedCapture, Recording
from tests.neural.search.test_beam import assert_same
from tests.neural.search.test_steps import VARIANTS

LENGTHS = [4, 1, 9, 16, 3, 2]

SEARCHES: list[dict[str, Any]] = [
    {},
    {"beam": 1},
    {"beam": 3, "coverage_penalty": 0.3},
    {"no_repeat_ngram": 2},
    {"beam": 3, "max_length_ratio": 0.5, "max_length_extra": 1},
]


@pytest.fixture(autouse=True)
def captured_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most steps of these short searches are replayed."""
    monkeypatch.setattr(graph_steps, "CAPTURE_AFTER", 1)


def with_graphs(model: Transformer) -> RecordedCapture:
    """Let a model be searched by static steps; what they were recorded by, again and again."""
    capture = RecordedCapture()
    prepare_graphs(model, lambda: capture)
    return capture


def without_graphs(model: Transformer, search: Callable[[], Any]) -> Any:
    """What is found otherwise."""
    graphs, model.step_graphs = model.step_graphs, None
    try:
        return search()
    finally:
        model.step_graphs = graphs


# --- the same as otherwise


@torch.no_grad()
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_logits_are_those_of_other_steps(changes: dict[str, Any]) -> None:
    """Rows end, go on twice and begin; families grow beyond the beam."""
    model = make_model(dtype=torch.float64, **changes)
    capture = with_graphs(model)
    sources = random_rows([5, 1, 9])
    static = begin_steps(model, sources, beam=4)
    assert isinstance(static, GraphSteps)
    other = TransformerSteps(model, sources, beam=4)
    generator = np.random.default_rng(5)
    parents, sentences = np.full(11, -1), generator.integers(0, 3, 11)
    for step in range(20):
        begins = parents < 0
        pieces = np.where(begins, BOS_ID, generator.integers(4, 19, len(parents)))
        weights = step % 3 == 0
        found, expected = (
            steps.advance(pieces, parents, sentences, weights=weights) for steps in (static, other)
        )
        torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-10)
        assert (found[1] is None) == (expected[1] is None) == (not weights)
        if weights:
            torch.testing.assert_close(found[1], expected[1], rtol=0, atol=1e-10)
        drawn = generator.integers(-1, len(pieces), max(0, len(pieces) - 1 - step % 2) or 9)
        parents = np.array([0, *sorted(drawn)])
        begun = generator.integers(0, 3, len(parents))
        sentences = np.where(parents < 0, begun, sentences[parents])
    assert capture.recordings


@pytest.mark.parametrize("settings", SEARCHES, ids=str)
@pytest.mark.parametrize("changes", [{}, VARIANTS[3], VARIANTS[7], VARIANTS[9]], ids=str)
def test_beam_search_finds_the_same(
    changes: dict[str, Any], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With sentences that wait until others are done, and several searches one after another."""
    monkeypatch.setattr(beam_module, "rows_at_once", lambda device: 13)
    model = make_model(dtype=torch.float64, sharpness=2.0, **changes)
    capture = with_graphs(model)
    chosen = SearchSettings(**settings)
    for lengths in (LENGTHS, LENGTHS[:2]):
        sources = random_rows(lengths)
        found = beam_search(model, sources, chosen, nbest=2)
        expected = without_graphs(
            model,
            lambda s=sources: beam_search(model, s, chosen, nbest=2),  # type: ignore[misc]  # bound now
        )
        assert_same(found, expected, 1e-10)
    assert capture.recordings


def test_sampling_draws_the_same() -> None:
    model = make_model(dtype=torch.float64)
    capture = with_graphs(model)
    sources, chosen = random_rows(LENGTHS), (SearchSettings(), Sampling())
    found = sample(model, sources, *chosen, count=3)
    assert_same(found, without_graphs(model, lambda: sample(model, sources, *chosen, count=3)))
    assert capture.recordings


@pytest.mark.parametrize("settings", [{}, {"no_repeat_ngram": 2}], ids=str)
def test_candidate_lists_are_kept(settings: dict[str, Any]) -> None:
    model = make_model(dtype=torch.float64, sharpness=2.0)
    capture = with_graphs(model)
    generator = np.random.default_rng(3)
    shortlist = Shortlist(
        frequent=np.array([5, 6], np.int32),
        offsets=np.arange(0, 40, 2),
        pieces=generator.integers(NUM_CONTROL_IDS, 19, 38).astype(np.int32),
        vocabulary_size=19,
    )
    sources, chosen = random_rows(LENGTHS), SearchSettings(beam=3, **settings)
    found = beam_search(model, sources, chosen, nbest=2, shortlist=shortlist)
    expected = without_graphs(
        model, lambda: beam_search(model, sources, chosen, nbest=2, shortlist=shortlist)
    )
    assert_same(found, expected, 1e-10)
    lists: CandidateLists = shortlist.candidates(sources)
    for number, hypotheses in enumerate(found):
        listed = set(lists.pieces[lists.bounds[number] : lists.bounds[number + 1]].tolist())
        assert all(set(one.pieces) <= listed for one in hypotheses)
    assert capture.recordings
    # The next search may say everything again.
    assert_same(
        beam_search(model, sources, chosen),
        without_graphs(model, lambda: beam_search(model, sources, chosen)),
        1e-10,
    )


def test_members_of_an_ensemble_have_graphs_of_their_own() -> None:
    first = make_model(dtype=torch.float64)
    together = Ensemble([first, make_recurrent(dtype=torch.float64)])
    expected = beam_search(together, random_rows(LENGTHS), SearchSettings())
    capture = with_graphs(first)
    found = beam_search(together, random_rows(LENGTHS), SearchSettings())
    assert_same(found, expected, 1e-10)
    assert capture.recordings


# --- half types


@torch.no_grad()
@pytest.mark.parametrize("changes", [{}, VARIANTS[1], VARIANTS[3], VARIANTS[9]], ids=str)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_types_are_near_float32(half: torch.dtype, changes: dict[str, Any]) -> None:
    """Log-probabilities come in float32; they differ by what rounding of weights explains."""
    exact, model = (make_model(**changes) for _ in range(2))
    for one in (exact, model.to(half)):
        with_graphs(one)
    sources = random_rows([5, 1, 9])
    states = [begin_steps(one, sources, beam=1) for one in (exact, model)]
    generator, rows = np.random.default_rng(1), np.arange(3)
    for step in range(12):
        parents = rows if step else np.full(3, -1)
        pieces = generator.integers(4, 19, 3) if step else np.full(3, BOS_ID)
        wanted, found = (state.advance(pieces, parents, rows)[0] for state in states)
        assert found.dtype == torch.float32
        assert not torch.equal(found, found.to(half).float())  # not rounded to the half type
        difference = torch.log_softmax(found, -1) - torch.log_softmax(wanted, -1)
        assert float(difference.abs().max()) < 40 * torch.finfo(half).eps


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_searches_in_half_types(half: torch.dtype) -> None:
    model = make_model(sharpness=3.0).to(half)
    capture = with_graphs(model)
    for settings in (SearchSettings(), SearchSettings(coverage_penalty=0.2, no_repeat_ngram=3)):
        found = beam_search(model, random_rows(LENGTHS), settings)
        assert all(np.isfinite(one.score) for (one,) in found)
    assert capture.recordings


# --- what a captured graph must not do


class OnMeta(Recording):
    """Lets nothing pass but tensors of PyTorch's device without memory."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = super().__torch_dispatch__(func, types, args, kwargs)
        for x in (*args, result):
            assert not isinstance(x, Tensor) or x.device.type == "meta", f"{func.name()} left it"
        return result


@pytest.mark.parametrize(
    "wanted",
    [Wanted(0, weights=True, listed=True), Wanted(6, weights=False, listed=False)],
    ids=str,
)
@pytest.mark.parametrize("half", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_nothing_in_a_step_leaves_the_device(
    changes: dict[str, Any], half: torch.dtype, wanted: Wanted
) -> None:
    """What reads a number there fails by itself; results lie where they are expected."""
    model = make_model(**changes).to(half).to("meta")
    buffers, layout = StepBuffers(model), Layout(3, 5, 32, 16)
    state = buffers.state(layout, listed=wanted.listed)
    results = StepResults.of(buffers, state, wanted)
    step = StaticStep(model, state, buffers.traffic(layout), results, wanted)
    with OnMeta() as recording:
        step()
    assert recording.operations


def test_a_look_at_a_number_would_be_seen() -> None:
    with OnMeta(), pytest.raises(AssertionError, match="waits"):
        bool(torch.ones((), device="meta") > 0)


# --- what is kept from search to search


def searched(model: Transformer, lengths: Sequence[int]) -> None:
    beam_search(model, random_rows(lengths), SearchSettings(beam=2))


def test_a_step_is_captured_once_and_only_if_it_is_frequent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph_steps, "CAPTURE_AFTER", 40)
    model = make_model()
    capture = with_graphs(model)
    for _ in range(2):
        searched(model, [4, 6, 5])
    assert not capture.recordings
    captured = []
    for _ in range(6):
        for _ in range(4):
            searched(model, [4, 6, 5])
        captured.append(len(capture.recordings))
    assert captured[0] < captured[-1] == captured[-2]


def test_what_cannot_be_captured_is_told_once_and_computed_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when the attempt has run the step."""
    model = make_model(dtype=torch.float64)
    sources = random_rows(LENGTHS)
    expected = beam_search(model, sources, SearchSettings())

    def capture(work: Callable[[], None], restore: Callable[[], None]) -> Callable[[], None]:
        work()
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    prepare_graphs(model, lambda: capture)
    for _ in range(2):
        assert_same(beam_search(model, sources, SearchSettings()), expected, 1e-10)
    (record,) = caplog.records
    assert record.getMessage().endswith("not permitted when stream is capturing")


def test_buffers_grow_and_what_was_captured_before_is_dropped() -> None:
    model = make_model(dtype=torch.float64, max_positions=512)
    capture = with_graphs(model)
    assert model.step_graphs is not None
    searched(model, [3])
    small, generation = len(capture.recordings), model.step_graphs.buffers.generation
    searched(model, [3])
    assert model.step_graphs.buffers.generation == generation
    searched(model, [3, 100, 7, 9])
    assert model.step_graphs.buffers.generation > generation
    sources = random_rows([3, 4])
    found = beam_search(model, sources, SearchSettings())
    assert_same(found, without_graphs(model, lambda: beam_search(model, sources, SearchSettings())))
    assert len(capture.recordings) > small


def test_of_many_graphs_the_unused_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_steps, "MOST_GRAPHS", 2)
    model = make_model(dtype=torch.float64)
    with_graphs(model)
    sources = random_rows(LENGTHS)
    found = beam_search(model, sources, SearchSettings())
    assert_same(found, without_graphs(model, lambda: beam_search(model, sources, SearchSettings())))
    assert model.step_graphs is not None
    assert len(model.step_graphs._entries) == 2


def test_of_two_searches_at_once_one_goes_operation_by_operation() -> None:
    model = make_model()
    with_graphs(model)
    first = begin_steps(model, random_rows([3]), beam=1)
    assert isinstance(first, GraphSteps)
    assert isinstance(begin_steps(model, random_rows([3]), beam=1), TransformerSteps)
    del first
    assert isinstance(begin_steps(model, random_rows([3]), beam=1), GraphSteps)


def test_predictions_that_are_no_numbers_are_told_and_forgotten() -> None:
    model = make_model(dtype=torch.float64)
    with_graphs(model)
    sources = random_rows(LENGTHS)
    before = beam_search(model, sources, SearchSettings())
    weight = model.decoder[0].get_parameter("cross_attention.out.weight")
    with torch.no_grad():
        kept = weight.clone()
        weight.fill_(float("nan"))
    with pytest.raises(UserError, match="not numbers") as error:
        beam_search(model, sources, SearchSettings())
    del error
    with torch.no_grad():
        weight.copy_(kept)
    assert_same(beam_search(model, sources, SearchSettings()), before, 1e-12)


def test_a_limit_that_leaves_only_the_end_gives_the_end() -> None:
    model = constant_model([0.0, -9.0, -9.0, 0.0, -1.0, -2.0, -3.0])
    with_graphs(model)
    settings = SearchSettings(beam=3, max_length_ratio=1e-6, max_length_extra=3)
    for hypotheses in beam_search(model, random_rows([2, 5], vocabulary=7), settings, nbest=3):
        assert {len(one.pieces) for one in hypotheses} <= {0, 1, 2}


# --- on a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_cuda_graphs_give_what_the_processor_gives(changes: dict[str, Any]) -> None:
    model = make_model(sharpness=2.0, dtype=torch.float64, **changes)
    sources = random_rows(LENGTHS)
    expected = beam_search(model, sources, SearchSettings(), nbest=2)
    model.to("cuda")
    prepare_graphs(model)
    for _ in range(3):
        assert_same(beam_search(model, sources, SearchSettings(), nbest=2), expected, 1e-9)
    assert isinstance(model.step_graphs, StepGraphs)
    assert any(entry.replay for entry in model.step_graphs._entries.values())
