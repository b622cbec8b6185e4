"""The rounds of tuning: better BLEU, the same after a kill, and an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.statistical.tuning.nbest import NBest
from nmt.statistical.tuning.rounds import Round
from nmt.statistical.tuning.settings import TuningSettings
from nmt.statistical.tuning.tune import TuningResult, tune
from tests.statistical.tuning.planted import Planted, make_sentences

HIDDEN = [0.5, 1.0, -0.2, 0.3, -0.6]
FIRST = np.array([2.0, -1.0, -0.5, 1.0, 0.5])
ALGORITHMS = ("mira", "mert")


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted(HIDDEN, sentences=40, candidates=40, seed=1)


def run(
    planted: Planted,
    *,
    state: Path | None = None,
    kill_after: int | None = None,
    first: NDArray[np.float64] = FIRST,
    **settings: Any,
) -> tuple[TuningResult, list[str]]:
    """Tune; what was reported comes second."""
    chosen = TuningSettings(**{"nbest": 5, "restarts": 2, **settings})
    reported: list[str] = []

    def decode(weights: NDArray[np.float64]) -> NBest:
        if len(reported) == kill_after:
            raise Killed
        return planted.decode(weights, chosen.nbest)

    result = tune(
        decode, [planted.references], first, chosen, report=reported.append, state=state, frozen=()
    )
    return result, reported


def without_seconds(rounds: tuple[Round, ...]) -> list[Round]:
    return [replace(done, decode_seconds=0, tune_seconds=0) for done in rounds]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bleu_rises(planted: Planted, algorithm: str) -> None:
    result, reported = run(planted, algorithm=algorithm)
    best = result.best
    assert best is not None
    assert reported == [str(done) for done in result.rounds]
    assert result.rounds[0].weights == tuple(FIRST)
    assert result.rounds[0].bleu < planted.best_bleu - 20
    assert best.bleu == max(done.bleu for done in result.rounds)
    assert best.bleu > planted.best_bleu - 2
    assert result.weights.tolist() == list(best.weights)
    # Weights whose absolute values have the same sum throughout.
    for done in result.rounds:
        assert np.abs(done.weights).sum() == pytest.approx(np.abs(FIRST).sum())
    # What is reported is the BLEU of the decoder's output.
    problem = planted.problem()
    assert problem.bleu(result.weights) == pytest.approx(best.bleu, abs=1e-9)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_gives_the_same(planted: Planted, algorithm: str) -> None:
    first, _ = run(planted, algorithm=algorithm, max_rounds=4)
    again, _ = run(planted, algorithm=algorithm, max_rounds=4)
    other, _ = run(planted, algorithm=algorithm, max_rounds=4, seed=2)
    assert without_seconds(first.rounds) == without_seconds(again.rounds)
    assert first.rounds[1].weights != other.rounds[1].weights


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_killed_at_any_round_and_continued(
    planted: Planted, algorithm: str, tmp_path: Path
) -> None:
    whole, _ = run(planted, algorithm=algorithm, max_rounds=4)
    count = len(whole.rounds)
    assert count >= 3
    for kill_after in range(count):
        state = tmp_path / str(kill_after)
        with pytest.raises(Killed):
            run(planted, algorithm=algorithm, max_rounds=4, state=state, kill_after=kill_after)
        result, reported = run(planted, algorithm=algorithm, max_rounds=4, state=state)
        assert len(reported) == count - kill_after
        assert without_seconds(result.rounds) == without_seconds(whole.rounds)
        assert result.weights.tolist() == whole.weights.tolist()
    # When all is done nothing is decoded again.
    result, reported = run(planted, algorithm=algorithm, max_rounds=4, state=state, kill_after=0)
    assert reported == []
    assert result.weights.tolist() == whole.weights.tolist()


def test_the_state_of_another_tuning_is_refused(planted: Planted, tmp_path: Path) -> None:
    run(planted, state=tmp_path, max_rounds=1)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(UserError, match="other settings"):
        run(planted, state=tmp_path, max_rounds=1, seed=2)
    with pytest.raises(UserError, match="other settings"):
        run(planted, state=tmp_path, max_rounds=1, first=FIRST * 2)
    other = Planted(HIDDEN, sentences=40, candidates=2, seed=2)
    with pytest.raises(UserError, match=str(tmp_path)):
        run(other, state=tmp_path, max_rounds=1)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_none_leaves_the_first_weights(planted: Planted) -> None:
    result, reported = run(planted, algorithm="none", kill_after=0)
    assert result.weights.tolist() == FIRST.tolist()
    assert result.best is None
    assert reported == []


def test_frozen_weights_stay() -> None:
    planted = Planted(HIDDEN, sentences=30, candidates=20, seed=3)
    result = tune(
        lambda weights: planted.decode(weights, 5),
        [planted.references],
        FIRST,
        TuningSettings(max_rounds=3),
        report=lambda _: None,
        frozen=(2,),
    )
    assert len(result.rounds) > 1
    others = [0, 1, 3, 4]
    for done in result.rounds:
        assert done.weights[2] == FIRST[2]
        assert np.abs(np.array(done.weights)[others]).sum() == pytest.approx(
            np.abs(FIRST[others]).sum()
        )


def test_several_references(planted: Planted) -> None:
    """A second reference that no candidate resembles but in length leaves everything as it is."""
    far = make_sentences([(reference + 5000).tolist() for reference in planted.references])
    results = [
        tune(
            lambda weights: planted.decode(weights, 5),
            references,
            FIRST,
            TuningSettings(max_rounds=3),
            report=lambda _: None,
            frozen=(),
        )
        for references in ([planted.references], [far, planted.references], [far])
    ]
    assert without_seconds(results[0].rounds) == without_seconds(results[1].rounds)
    assert results[2].rounds[0].bleu == 0.0


def ends(planted: Planted, **settings: Any) -> str | None:
    return run(planted, **settings)[0].rounds[-1].stopped


def test_why_it_ends(planted: Planted) -> None:
    assert ends(planted, max_rounds=1) == "the last round allowed"
    assert ends(planted, nbest=1000) == "no new hypothesis"
    assert ends(planted, tolerance=0.99) == "the weights hardly change"
    # A decoder that gets worse whatever it is told.
    calls: list[int] = []

    def worse(weights: NDArray[np.float64]) -> NBest:
        calls.append(1)
        return planted.decode(-np.array(HIDDEN) if len(calls) > 1 else np.array(HIDDEN), len(calls))

    result = tune(
        worse,
        [planted.references],
        FIRST,
        TuningSettings(patience=2, tolerance=0),
        report=lambda _: None,
        frozen=(),
    )
    assert len(result.rounds) == 3
    assert result.rounds[-1].stopped == "no better BLEU for 2 rounds"
    assert result.best == result.rounds[0]


def test_kept_weights_steady_it(planted: Planted) -> None:
    def change(keep: float) -> float:
        rounds = run(planted, max_rounds=2, keep=keep)[0].rounds
        return float(np.abs(np.subtract(rounds[1].weights, rounds[0].weights)).sum())

    assert change(0.9) < 0.5 * change(0.0)


def test_the_log_says_what_a_round_gave(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: Callable[[], float] = iter([10.0, 12.5, 12.75]).__next__
    monkeypatch.setattr("nmt.statistical.tuning.tune.time.perf_counter", ticks)
    result, reported = run(planted, max_rounds=1)
    assert reported == [
        f"round 1: dev BLEU {result.rounds[0].bleu:.2f}; 200 hypotheses (200 new); 2.5 s + 0.2 s; "
        "the last round allowed"
    ]
