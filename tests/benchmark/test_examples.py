"""Which sentences are shown."""

from __future__ import annotations

import random

from nmt.benchmark.examples import choose_examples, example_lines
from nmt.benchmark.results import Sentence
from tests.benchmark.made_up import results

KINDS = {"phrases": "phrase-based", "lstm": "recurrent", "best": "transformer"}


def sentence(number: int, num_words: int, gain: float) -> Sentence:
    """One whose chrF rises by so much from the phrases to the best, and falls in between."""
    return Sentence(
        source=" ".join([f"s{number}"] * num_words),
        reference="r",
        outputs=dict.fromkeys(KINDS, "o"),
        chrf={"phrases": 40.0, "lstm": 0.0, "best": 40.0 + gain},
        explanations={},
    )


def test_examples_are_of_ordinary_length_and_rise_most() -> None:
    """Against a plain count of what is better."""
    rng = random.Random(5)
    all_of_them = [sentence(n, rng.randint(1, 30), rng.uniform(-40, 40)) for n in range(200)]
    found = results(dict.fromkeys(KINDS, 1.0), KINDS, sentences=all_of_them)
    examples = choose_examples(found)
    assert examples is not None
    assert (examples.before, examples.after) == ("phrases", "best")
    lengths = sorted(len(one.source.split()) for one in all_of_them)
    assert len(examples.sentences) == 3
    for chosen in examples.sentences:
        num_words = len(chosen.source.split())
        assert lengths[48] <= num_words <= lengths[151]
        better = [
            one
            for one in all_of_them
            if one.chrf["best"] > chosen.chrf["best"]
            and lengths[52] <= len(one.source.split()) <= lengths[147]
        ]
        assert len(better) < 3
    assert "chosen for contrast" in examples.rule
    lines = example_lines(examples)
    assert sum(line.startswith("source ") for line in lines) == 3
    assert sum(line.startswith("phrases ") for line in lines) == 3


def test_no_example_where_nothing_rises() -> None:
    fallen = [sentence(number, 5, -1.0) for number in range(9)]
    examples = choose_examples(results(dict.fromkeys(KINDS, 1.0), KINDS, sentences=fallen))
    assert examples is not None
    assert examples.sentences == ()
    assert choose_examples(results({"best": 1.0}, KINDS)) is None
