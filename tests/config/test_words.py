"""Words that YAML reads as something else are refused, and never another word in silence."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tlbench.config.schema import Config, Task
from tlbench.config.validation import checked
from tlbench.config.words import check_file
from tlbench.errors import UserError

OTHER = ["no", "Yes", "on", "off", "true", "010", "00", "1_0", "0x1f", "1:30", "1e5", "1.0", "+1"]


def definition(folder: Path, **keys: str) -> Path:
    said = {"name": "mine", "labels": "[bad, good]", "score": "[accuracy]"} | keys
    file = folder / "mine.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in said.items()))
    return file


@pytest.mark.parametrize("word", [*OTHER, "null", "~"])
@pytest.mark.parametrize("key", ["labels", "name", "source.values"])
def test_a_word_that_would_be_read_as_another_is_refused(
    tmp_path: Path, key: str, word: str
) -> None:
    values = {"labels": f"[good, {word}]", "name": word, "source.values": f"[{word}, good]"}
    name, _, inside = key.partition(".")
    value = f"{{{inside}: {values[key]}}}" if inside else values[key]
    file = definition(tmp_path, **{name: value})
    with pytest.raises(UserError) as refused:
        check_file(file)
    said = str(refused.value)
    assert said.startswith(f"Change {key} in {file}: write '{word}' in quotes; without them YAML")


@pytest.mark.parametrize("word", [*[f"'{word}'" for word in OTHER], "2024", "0", "-1", "NA", "nan"])
def test_words_in_quotes_and_plain_numbers_are_what_is_written(tmp_path: Path, word: str) -> None:
    file = definition(tmp_path, labels=f"[good, {word}]", source=f"{{values: [x, {word}]}}")
    check_file(file)
    labels = OmegaConf.to_container(OmegaConf.load(file))["labels"]  # type: ignore[call-overload, index]
    assert str(labels[1]) == word.strip("'")


@pytest.mark.parametrize("label", ["{word}", "{{mood: {word}}}"])
@pytest.mark.parametrize("word", ["no", "1e5", "010"])
def test_the_column_of_a_label_is_a_word_and_so_is_that_of_each_task(
    tmp_path: Path, label: str, word: str
) -> None:
    check_file(definition(tmp_path, source=f"{{label: {label.format(word='2')}}}"))
    file = definition(tmp_path, source=f"{{label: {label.format(word=word)}}}")
    with pytest.raises(UserError, match=f"^Change source.label in .*: write '{word}' in quotes"):
        check_file(file)


def test_null_is_right_where_a_key_takes_it(tmp_path: Path) -> None:
    check_file(definition(tmp_path, labels="null", source="{format: null, label: null, values: ~}"))


@pytest.mark.parametrize("content", ["[", "labels: [", "- a", "", "labels: {a: 1}", "labels: [[]]"])
def test_what_is_no_task_is_left_to_who_reads_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    check_file(tmp_path / "mine.yaml")
    check_file(tmp_path / "not_there.yaml")


@pytest.mark.parametrize("word", [True, False, 1e5, None])
def test_a_composed_config_has_no_such_words(word: object) -> None:
    """As of an override, ``target_task.labels=[true,false]``."""
    task = {"name": "mine", "score": ["f1"], "metrics": ["f1"], "source": {"text": ["a"]}}
    node = OmegaConf.create({**task, "labels": ["good", word]})
    with pytest.raises(UserError, match=r"^Change target_task\.labels: .* is no word; write"):
        checked(Task, node, "target_task")


def test_the_check_is_of_words_alone() -> None:
    from tlbench.config.keys import declared
    from tlbench.config.words import takes_words

    names = {name for name, key in declared(Config).items() if takes_words(key)}
    assert {"study", "target_task.labels", "encoder.name", "tags"} <= names
    assert not {"seed", "subsample_size.target", "target_task.source.dev", "optim.lr"} & names
