"""Which sentences are explained, and when an explanation is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nmt.benchmark import sentences
from nmt.benchmark.comparison import Outputs
from nmt.benchmark.sentences import describe_sentences, explain
from nmt.errors import UserError
from nmt.model_folder import FileFacts, ModelFolder
from nmt.recipe import EvaluationSettings

WORDS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"]


def model(kind: str) -> ModelFolder:
    """The description of a model that is not there."""
    return ModelFolder(
        path=Path(kind), format_version=1, kind=kind, source_language="en", target_language="de",
        settings={}, training={}, files={"weights": FileFacts(size=1, sha256=kind)},
    )  # fmt: skip


MODELS = {"old": model("phrase-based"), "new": model("transformer")}


@dataclass
class FakeTranslator:
    """Translates by upper case; the phrase-based one explains."""

    kind: str
    calls: list[Sequence[str]]

    def translate(self, lines: Sequence[str], *, explain: bool) -> list[Any]:
        """As a translator does."""
        assert explain
        self.calls.append(lines)
        if self.kind == "transformer":
            raise UserError("cannot say how")
        how = SimpleNamespace(
            to_json=lambda: {"score": 1 / 3, "features": [1], "words": ["x" * 50]}
        )
        hypothesis = SimpleNamespace(explanations=(how,))
        return [SimpleNamespace(text=line.upper(), alternatives=(hypothesis,)) for line in lines]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What was translated."""
    calls: list[Sequence[str]] = []
    monkeypatch.setattr(sentences, "load", lambda path, device: FakeTranslator(str(path), calls))
    return calls


def outputs() -> Outputs:
    """Ten sentences, of which the new system has ever more words right."""
    source = [f"line {number}" for number in range(10)]
    reference = [" ".join(WORDS)] * 10
    new = [" ".join(WORDS[:number]) or "nichts" for number in range(10)]
    return Outputs(source, reference, {"old": [line.upper() for line in source], "new": new})


def explained(tmp_path: Path) -> list[int]:
    """The numbers of the sentences that have an explanation."""
    found = describe_sentences(
        {"test": outputs()}, MODELS, EvaluationSettings(), cache=tmp_path, device="cpu"
    )["test"]
    assert [one.source for one in found] == outputs().source
    assert all(one.explanations["new"] == [] for one in found)
    return [number for number, one in enumerate(found) if one.explanations["old"]]


def test_those_that_differ_most_are_explained(
    calls: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explained(tmp_path / "all") == list(range(10))
    monkeypatch.setattr(sentences, "MOST_EXPLAINED", 3)
    assert explained(tmp_path / "some") == [7, 8, 9]
    assert calls[-1] == ["line 9", "line 8", "line 7"]


def test_no_more_than_the_room_there_is(
    calls: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = len(json.dumps({"old": [{"score": 0.333, "words": ["x" * 50]}], "new": []}))
    monkeypatch.setattr(sentences, "MOST_EXPLANATION_BYTES", 4 * one)
    assert explained(tmp_path) == [6, 7, 8, 9]


def test_explanations_are_kept_and_are_of_what_was_scored(
    calls: list[Sequence[str]], tmp_path: Path
) -> None:
    """Not of another translation that the system finds now."""
    for _ in range(2):
        found = explain(
            MODELS["old"], ["one", "two"], ["ONE", "DEUX"], cache=tmp_path, device="cpu"
        )
        assert found == [[{"score": 0.333, "words": ["x" * 50]}], []]
    assert len(calls) == 1


def test_that_a_system_cannot_explain_is_not_kept(
    calls: list[Sequence[str]], tmp_path: Path
) -> None:
    """A later version of it may."""
    for count in (1, 2):
        assert explain(MODELS["new"], ["one"], ["ONE"], cache=tmp_path, device="cpu") == [[]]
        assert len(calls) == count
    assert list(tmp_path.rglob("*")) == []
