"""What a benchmark found, in words that are made from its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmt.benchmark.formatting import count, gain, points, probability
from nmt.benchmark.results import STATISTICAL_KINDS, Results, Step, StepTest, SystemResult, TestSet
from nmt.evaluation.names import TITLES, MetricName

SIGNIFICANT: Final = 0.05

_IN_WORDS: Final = {
    "word-by-word": "word-by-word translation",
    "phrase-based": "the phrase-based system",
    "recurrent": "the recurrent network",
    "transformer": "the Transformer",
    "ensemble": "the ensemble",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What was gained on a test set."""

    text: str
    """One paragraph: where the ladder begins, and each step."""
    statistical_wins: str
    """Which statistical systems beat which neural ones; empty if none does."""


def summarise(results: Results, test: TestSet) -> Summary:
    """Say what was gained at each step on a test set, and whether it is more than chance."""
    systems = [system for system in results.systems if system.name in test.scores]
    if not systems or not all(test.scores[system.name] for system in systems):
        return Summary("", "")
    metric = main_metric(test)
    values = {system.name: test.scores[system.name][metric].value for system in systems}
    first, last = systems[0], systems[-1]
    sentences = [
        f"{_capital(in_words(first))} scores {points(values[first.name])} {TITLES[metric]} on the "
        f"{count(len(test.sentences))} sentences of {test.name}."
    ]
    by_name = {system.name: system for system in systems}
    for step in [*test.steps, *test.jumps]:
        if step.before in by_name and step.after in by_name:
            before, after = by_name[step.before], by_name[step.after]
            # A jump ends where a step did, and the score there has been told.
            value = values[after.name] if step in test.steps else None
            sentences.append(_step(step, before, after, metric, value))
    if len(systems) > 2:
        sentences.append(
            f"From {in_words(first)} to {in_words(last)}: "
            f"{gain(_difference(values, first, last))} {TITLES[metric]} in all."
        )
    return Summary(
        " ".join(filter(None, sentences)), _statistical_wins(systems, values, test, metric)
    )


def main_metric(test: TestSet) -> MetricName:
    """BLEU where it was measured, else the first metric of all systems."""
    metrics = list(next(iter(test.scores.values())))
    return "bleu" if "bleu" in metrics else metrics[0]


def in_words(system: SystemResult) -> str:
    """What to call a system in running text."""
    named_by_kind = system.name == system.kind and system.kind in _IN_WORDS
    return _IN_WORDS[system.kind] if named_by_kind else f"the system {system.name}"


def verdict(test: StepTest) -> bool | None:
    """Whether a difference is significant: at 0.05 by both tests; None if they disagree."""
    by_bootstrap = test.p_bootstrap < SIGNIFICANT
    by_randomization = test.p_randomization < SIGNIFICANT
    return by_bootstrap if by_bootstrap == by_randomization else None


def is_better(metric: MetricName, difference: float) -> bool:
    """Whether a difference is an improvement: errors (TER) are better when fewer."""
    return difference < 0 if metric == "ter" else difference > 0


def _step(
    step: Step, before: SystemResult, after: SystemResult, metric: MetricName, value: float | None
) -> str:
    """One step in a sentence, which begins with the score reached unless it is None."""
    whom = in_words(before)
    scores = "" if value is None else f"{_capital(in_words(after))} scores {points(value)}"
    who, whose = ("it", "its") if scores else (in_words(after), f"{in_words(after)}'s")
    test = next((test for test in step.tests if test.metric == metric), None)
    if test is None:
        return f"{scores}." if scores else ""
    better = is_better(metric, test.difference)
    amount = f"{points(abs(test.difference))} points"
    lead = f"{whose} {'lead over' if better else 'lag behind'} {whom}, {amount},"
    match verdict(test):
        case True:
            claim = f"{who} {'gains' if better else 'loses'} {amount} against {whom}"
        case False:
            claim = f"{lead} may be chance"
        case None:
            claim = f"the two tests disagree on whether {lead} is chance"
    text = _capital(f"{scores}{': ' if verdict(test) else '; '}{claim}" if scores else claim)
    against = [
        f"; {TITLES[other.metric]} says the opposite: {gain(other.difference)}, {_chances(other)}"
        for other in step.tests
        if verdict(other) and is_better(other.metric, other.difference) != better
    ]
    return f"{text} ({_chances(test)}){''.join(against)}."


def _chances(test: StepTest) -> str:
    bootstrap, randomization = probability(test.p_bootstrap), probability(test.p_randomization)
    if bootstrap == randomization:
        return f"p\u00a0{bootstrap} in both tests"
    return f"p\u00a0{bootstrap} by bootstrap, {randomization} by randomisation"


def _statistical_wins(
    systems: list[SystemResult], values: dict[str, float], test: TestSet, metric: MetricName
) -> str:
    tested = {
        (step.before, step.after): each
        for step in [*test.steps, *test.jumps]
        for each in step.tests
        if each.metric == metric
    }
    wins = []
    for old in systems:
        for new in systems:
            if old.kind not in STATISTICAL_KINDS or new.kind in STATISTICAL_KINDS:
                continue
            if not is_better(metric, _difference(values, new, old)):
                continue
            known = tested.get((old.name, new.name))
            how_sure = {True: "significant", False: "perhaps chance", None: "the tests disagree"}
            sure = how_sure[verdict(known)] if known else "not tested"
            by = points(abs(_difference(values, new, old)))
            wins.append(f"{in_words(old)} beats {in_words(new)} by {by} {TITLES[metric]} ({sure})")
    if not wins:
        return ""
    listed = wins[0] if len(wins) == 1 else f"{'; '.join(wins[:-1])}; and {wins[-1]}"
    return f"Here a statistical system wins over a neural one: {listed}."


def _difference(values: dict[str, float], one: SystemResult, other: SystemResult) -> float:
    return values[other.name] - values[one.name]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
