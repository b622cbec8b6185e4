"""Whatever is wrong with a recipe is reported at once: where, what, and how to mend it."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.corpus.settings import FilesSource, NamedSource, TsvSource
from nmt.errors import UserError, UserErrors
from nmt.recipe import TransformerSettings, read_recipe
from nmt.recipe.shape import Address, dotted


def leaves(value: Any, address: Address = ()) -> Iterator[Address]:
    """The address of every single value."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in entries:
        if isinstance(inner, dict | list) and inner:
            yield from leaves(inner, (*address, key))
        else:
            yield (*address, key)


def holder(values: Any, address: Address) -> Any:
    """The mapping or list that holds the value at an address."""
    for key in address[:-1]:
        values = values[key]
    return values


def write(path: Path, values: Any) -> str:
    """Write a recipe; returns its path."""
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return str(path)


def problems(path: Path | str, *overrides: str, data_root: Path | None = None) -> list[UserError]:
    """What is wrong with a recipe."""
    with pytest.raises(UserErrors) as raised:
        read_recipe(str(path), overrides, data_root=data_root)
    return raised.value.errors


def addresses(errors: list[UserError]) -> list[str]:
    """The settings that problems are about."""
    return [error.what.split(":")[0] for error in errors]


def change(path: Path, old: str, new: str) -> Path:
    """Change a recipe's text."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_a_right_recipe_is_read(recipe_file: Path) -> None:
    recipe = read_recipe(str(recipe_file))
    assert recipe.name == "small"
    assert recipe.corpus.target_language == "no"  # Norwegian, not false
    files = recipe.corpus.train[0]
    assert isinstance(files, FilesSource)
    assert files.source == recipe_file.with_name("train.en")


def test_every_default_can_be_written_out(recipe_file: Path, full_file: Path) -> None:
    assert read_recipe(str(full_file)) == read_recipe(str(recipe_file))


def test_every_wrong_value_is_reported_alone(full_file: Path, full_values: dict[str, Any]) -> None:
    for address in leaves(full_values):
        if address[-1] == "kind":
            continue
        values = copy.deepcopy(full_values)
        holder(values, address)[address[-1]] = [{"neither": "this"}]
        errors = problems(write(full_file, values))
        inside = dotted(address)
        assert all(found.startswith(inside) for found in addresses(errors)), errors
        text = full_file.read_text(encoding="utf-8").splitlines()
        line = int(str(errors[0].where).rpartition(":")[2])
        assert str(address[-1]) in text[line - 1] or isinstance(address[-1], int)


def test_every_typo_is_reported_with_the_right_name(
    full_file: Path, full_values: dict[str, Any]
) -> None:
    rng = random.Random(1)
    for address in leaves(full_values):
        name = address[-1]
        if not isinstance(name, str) or address[:2] == ("corpus", "test"):
            continue
        cut = rng.randrange(len(name))
        typo = name[: cut + 1] + name[cut:]
        values = copy.deepcopy(full_values)
        group = holder(values, address)
        group[typo] = group.pop(name)
        errors = problems(write(full_file, values))
        wrong = dotted((*address[:-1], typo))
        if name == "kind" and wrong not in addresses(errors):
            assert dotted(address) in addresses(
                errors
            )  # without its kind a group is not looked into
            continue
        (error,) = [error for error in errors if error.what.startswith(f"{wrong}:")]
        assert error.what.endswith("there is no such setting")
        assert error.mend == f"did you mean {name}?"


def test_all_problems_are_reported_at_once(full_file: Path, full_values: dict[str, Any]) -> None:
    rng = random.Random(2)
    everything = [a for a in leaves(full_values) if a[-1] != "kind" and "metrics" not in a]
    for count in (2, 5, 20, len(everything)):
        values = copy.deepcopy(full_values)
        broken = rng.sample(everything, count)
        for address in broken:
            holder(values, address)[address[-1]] = {"neither": "this"}
        found = addresses(problems(write(full_file, values)))
        assert sorted(found) == sorted(dotted(address) for address in broken)


def test_contradictions_are_reported_beside_wrong_values(recipe_file: Path) -> None:
    change(
        recipe_file,
        "training: {max_updates: 100}",
        "width: 30\n    heads: 4\n    dropout: much\n"
        "    training: {max_updates: 100, average_checkpoints: 3, schedule: cosine}\n"
        "  other: {kind: transformer, dropuot: 1, training: {max_updates: null}}",
    )
    change(recipe_file, "tokenizer: {", "tokenizer: {joint: false, vocabulary_size: 3, ")
    errors = problems(recipe_file)
    assert addresses(errors) == [
        "tokenizer.vocabulary_size",
        "tokenizer.joint",  # for one system
        "tokenizer.joint",  # and for the other
        "systems.transformer.heads",
        "systems.transformer.dropout",
        "systems.transformer.training.max_updates",
        "systems.transformer.training.average_checkpoints",
        "systems.other.training.max_updates",
        "systems.other.dropuot",
    ]
    text = str(UserErrors(errors))
    for words in (
        "cannot be cut into 4 equal heads",
        "set keep_best to 3 or more",
        "lower warmup_updates",
        "training would never end",
        "did you mean dropout?",
        "set tokenizer.joint to true",
    ):
        assert words in text


def test_consequences_of_a_wrong_value_are_not_reported(recipe_file: Path) -> None:
    change(recipe_file, "max_updates: 100", "max_updates: soon, schedule: cosine")
    assert addresses(problems(recipe_file)) == ["systems.transformer.training.max_updates"]


@pytest.mark.parametrize(
    ("old", "new", "address", "words"),
    [
        (
            "max_updates: 100",
            "max_updates: 2e4",
            "systems.transformer.training.max_updates",
            "20000",
        ),
        ("kind: sentencepiece", "kind: sentencepice", "tokenizer.kind", "mean sentencepiece?"),
        (
            "kind: transformer\n",
            "kind: recurent\n",
            "systems.transformer.kind",
            "be one of transformer, recurrent, ensemble, phrase-based, word-by-word, not",
        ),
        ("    kind: transformer\n", "", "systems.transformer.kind", "there is: transformer"),
        ("{kind: sentencepiece}", "{joint: true}", "tokenizer.kind", "sentencepiece, huggingface"),
        ("kind: sentencepiece", "kind: words", "tokenizer.kind", "statistical"),
        ("kind: sentencepiece", "kind: sentencepiece, joint: yes", "tokenizer.joint", "write true"),
        (
            "kind: sentencepiece",
            "kind: sentencepiece, vocabulary_size: 8_000",
            "tokenizer.vocabulary_size",
            "write 8000",
        ),
        ("corpus:", "name: 7\ncorpus:", "name", 'in quotes: "7"'),
        ("corpus:", "name: ../up\ncorpus:", "name", "matches"),
        ("corpus:", "evaluation:\ncorpus:", "evaluation", "group of settings, not null"),
        ("corpus:", "evaluation: {metrics: bleu}\ncorpus:", "evaluation.metrics", "write [bleu]"),
        ("corpus:", "evaluation: {metrics: []}\ncorpus:", "evaluation.metrics", "at least one"),
        ("corpus:", "learning_rate: 1\ncorpus:", "learning_rate", "the settings here are: name"),
        ("    test: {", "    te/st: {", "corpus.test.te/st", "the name must be"),
        ("  transformer:\n", "  ../up:\n", "systems.../up", "the name must be"),
        ("training: {", "beam: 3\n    training: {", "systems.transformer.beam", "search.beam"),
        (
            "training: {",
            "training: {dropout: 0, ",
            "systems.transformer.training.dropout",
            "mer.dropout",
        ),
        ("language: no", "language: en", "corpus.target_language", "both en"),
        ("split: valid", "split: train", "corpus.valid", "also trained on"),
        ("train.no", "train.on", "corpus.train.0.target", "did you mean train.no?"),
        ("train.no", "sub/train.no", "corpus.train.0.target", "sub does not exist"),
        ("owner/name", "./pairs.jsonl", "corpus.train.2.path", "pairs.jsonl"),
        ("{kind: tsv", "[kind: tsv", "", "not valid YAML"),
    ],
)
def test_problems_say_how_to_mend_them(
    recipe_file: Path, old: str, new: str, address: str, words: str
) -> None:
    change(recipe_file, old, new)
    with pytest.raises(UserError) as raised:
        read_recipe(str(recipe_file))
    errors = raised.value.errors if isinstance(raised.value, UserErrors) else [raised.value]
    (error,) = errors
    assert words in str(error)
    assert error.what.startswith(f"{address}:" if address else "not valid")
    assert str(error.where).startswith(f"{recipe_file}:")


def test_a_bad_list_entry_hides_nothing(recipe_file: Path) -> None:
    change(recipe_file, "{kind: tatoeba}\n", "{kind: tatoba, wieght: 2}\n    - 3\n")
    assert addresses(problems(recipe_file)) == [
        "corpus.train.3.kind",
        "corpus.train.3.wieght",
        "corpus.train.4",
    ]


def test_a_repeated_setting_is_an_error(recipe_file: Path) -> None:
    change(recipe_file, "corpus:\n", "corpus:\n  source_language: fr\n")
    (error,) = problems(recipe_file)
    assert error.what == "corpus.source_language: given twice, first on line 2"
    assert error.where == f"{recipe_file}:3"


@pytest.mark.parametrize("text", ["- corpus", "corpus", "3"])
def test_a_recipe_is_a_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="a recipe is a mapping"):
        read_recipe(str(path))


def test_an_empty_mapping_lacks_everything(tmp_path: Path) -> None:
    assert addresses(problems(write(tmp_path / "r.yaml", {}))) == ["corpus", "systems"]


def test_bytes_that_are_not_utf8_are_an_error_with_their_line(recipe_file: Path) -> None:
    recipe_file.write_bytes(b"description: |\n  caf\xe9\n" + recipe_file.read_bytes())
    with pytest.raises(UserError) as raised:
        read_recipe(str(recipe_file))
    assert str(raised.value).startswith(f"{recipe_file}:2: not valid UTF-8")


def test_line_ends_and_byte_order_mark_of_windows(recipe_file: Path) -> None:
    recipe = read_recipe(str(recipe_file))
    data = recipe_file.read_bytes()
    recipe_file.write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert read_recipe(str(recipe_file)) == recipe


# Overrides


def test_every_setting_can_be_overridden(full_file: Path, full_values: dict[str, Any]) -> None:
    recipe = read_recipe(str(full_file))
    overrides = [
        f"{dotted(address)}={json.dumps(holder(full_values, address)[address[-1]])}"
        for address in leaves(full_values)
    ]
    assert read_recipe(str(full_file), overrides) == recipe


def test_overrides_take_the_place_of_settings(recipe_file: Path) -> None:
    recipe = read_recipe(
        str(recipe_file),
        [
            "systems.transformer.dropout=0.2",
            "systems.transformer.dropout=3e-1",
            "systems.transformer.search.beam=2",
            "systems.transformer.training.clip_norm=null",
            "systems.second={kind: transformer, preset: big}",
            "systems.second.training={max_epochs: 3, max_updates: null}",
            "corpus.train.1.weight=2",
            "corpus.train.4={kind: multi30k}",
            "corpus.max_pairs=10",
            "evaluation.metrics=[ter]",
            "description=a = b",
        ],
    )
    system, second = recipe.systems["transformer"], recipe.systems["second"]
    assert isinstance(system, TransformerSettings)
    assert isinstance(second, TransformerSettings)
    assert (system.dropout, system.search.beam, system.training.clip_norm) == (0.3, 2, None)
    assert second.preset == "big"
    assert second.training.max_updates is None
    assert [source.weight for source in recipe.corpus.train] == [1, 2, 1, 1, 1]
    assert recipe.corpus.max_pairs == 10
    assert recipe.evaluation.metrics == ["ter"]
    assert recipe.description == "a = b"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("systems.transformer.dropuot=0.2", "did you mean dropout?"),
        ("systems.tranformer.dropout=0.2", "did you mean transformer?"),
        ("system.transformer.dropout=0.2", "did you mean systems?"),
        ("dropout=0.2", "there is no such setting"),
        ("systems.transformer.dropout=2", "below 1, not 2"),
        ("systems.transformer.dropout=", "not null"),
        ("systems.transformer.dropout.x=2", "holds no settings"),
        ("corpus.train.9.weight=2", "its entries are 0 to 3"),
        ("corpus.train.-1.weight=2", "its entries are 0 to 3"),
        ("corpus.train.first.weight=2", "its entries are 0 to 3"),
        ("corpus.train=[]", "at least one item"),
        ("corpus.train.0.source=nowhere.en", "there is no file"),
        ("systems.transformer={kind: transformer, presett: tiny}", "did you mean preset?"),
        ("systems.transformer.training.average_checkpoints=4", "set keep_best to 4 or more"),
        ("corpus.max_pairs=[", "not valid YAML"),
        ("corpus.max_pairs={a: 1, a: 2}", "given twice"),
        ("corpus.max_pairs", "path=value"),
        ("=3", "path=value"),
    ],
)
def test_wrong_overrides_are_reported_as_such(recipe_file: Path, override: str, words: str) -> None:
    (error,) = problems(recipe_file, override)
    assert error.where == f"command line: {override}"
    assert words in str(error)


def test_problems_of_file_and_command_line_are_reported_together(recipe_file: Path) -> None:
    change(recipe_file, "kind: sentencepiece", "kind: sentencepiece, jiont: true")
    errors = problems(recipe_file, "corpus.max_pair=3", "systems.transformer.seed=3")
    assert addresses(errors) == ["tokenizer.jiont", "corpus.max_pair", "systems.transformer.seed"]
    assert errors[2].mend == "it is a setting of another group: systems.transformer.training.seed"


def test_a_contradiction_is_blamed_on_the_command_line(recipe_file: Path) -> None:
    change(
        recipe_file, "max_updates: 100", "max_updates: 100, average_checkpoints: 2, keep_best: 2"
    )
    (error,) = problems(recipe_file, "systems.transformer.training.keep_best=1")
    assert error.where == "command line: systems.transformer.training.keep_best=1"


# Paths


def test_paths_are_relative_to_the_recipe_or_on_the_command_line_to_here(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "more.tsv").touch()
    monkeypatch.chdir(here)
    plain = read_recipe(str(recipe_file)).corpus.train[1]
    given = read_recipe("../small.yaml", ["corpus.train.1.path=more.tsv"]).corpus.train[1]
    assert isinstance(plain, TsvSource)
    assert isinstance(given, TsvSource)
    assert plain.path == tmp_path / "more.tsv"
    assert given.path == here / "more.tsv"


def test_a_path_that_is_right_from_here_is_told(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "pairs.tsv").touch()
    monkeypatch.chdir(here)
    (error,) = problems(change(recipe_file, "more.tsv", "pairs.tsv"))
    assert "relative to its folder" in str(error.mend)
    assert str(here / "pairs.tsv") in str(error.mend)


def test_data_is_the_root_of_named_corpora(recipe_file: Path, tmp_path: Path) -> None:
    change(recipe_file, "{kind: tatoeba}", "{kind: tatoeba, root: not/here}")
    recipe = read_recipe(str(recipe_file), data_root=tmp_path)
    named = [recipe.corpus.train[3], recipe.corpus.valid, recipe.corpus.test["test"]]
    assert [source.root for source in named if isinstance(source, NamedSource)] == [tmp_path] * 3


def test_data_that_is_not_there_is_an_error(recipe_file: Path, tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    (error,) = problems(recipe_file, data_root=tmp_path / "corpra")
    assert str(error.where) == f"command line: --data {tmp_path / 'corpra'}"
    assert error.mend == "did you mean corpora?"
