import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, KeyValidationError, OmegaConfBaseException

from tests.support.composing import compose_config
from tests.support.experiments import leaves
from tlbench.config.identity import job_folder_name, unresolved
from tlbench.config.schema import Task
from tlbench.config.validation import checked, parse_config
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.tasks.definition import check_task


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optim.lr=fast", "Change optim.lr: "),
        ("+target_task.metrc=f1", "Change target_task.metrc: "),
        ("suite=glue_tsv", "Change suite.root: give it a value."),
        ("~target_task.name", "Change target_task.name: give it a value."),
        ("seed=x", "Change seed: "),
    ],
)
def test_wrong_types_and_keys_are_named(override: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        parse_config(compose_config(override))


ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 200),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["../x", "a/b", "${nope}", "${.x}", "???", "\0", "\ud800", "1/0", "2x"]),
        st.sampled_from([2**32, 10**30, float("inf"), float("nan")]),
    ),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.text(max_size=2), one, max_size=2),
    max_leaves=3,
)


@pytest.fixture(scope="module")
def small(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    """A config with every group in use, whose rows are made at once."""
    places = (f"cache_dir={cache}", f"store_dir={tmp_path_factory.mktemp('store')}")
    rows = [f"suite.sources.{name}={{train: 70, dev: 64}}" for name in ("rte", "mnli")]
    fast = ("debug=fast", "suite.sources.mnli.more_dev.mismatched=64")
    dynamic = ("strategy=mtl", "support_task=mnli", "sampling=dynamic")
    return compose_config(*fast, *places, *dynamic, *rows)


@pytest.mark.slow
@settings(max_examples=150)
@given(data=st.data(), value=ANYTHING)
def test_any_value_of_any_key_is_planned_or_refused_in_one_sentence(
    small: DictConfig, data: st.DataObject, value: object
) -> None:
    keys = sorted({part for key in leaves(small) for part in (key, key.rpartition(".")[0]) if part})
    cfg = small.copy()
    try:
        OmegaConf.update(cfg, data.draw(st.sampled_from(keys)), value)
    except OmegaConfBaseException:
        return  # Hydra says the same of an override
    with suppress(GrammarParseError):  # nor does Hydra compose it
        assert re.fullmatch(r"[\w-]+", job_folder_name(unresolved(cfg)))
    try:
        build(cfg).plan()
    except UserError as error:
        said = str(error)
        assert re.match("(Change|Add) ", said)
        assert said.isprintable()


TASK = {
    "name": "mine",
    "labels": ["a", "b"],
    "score": ["accuracy"],
    "metrics": ["accuracy"],
    "source": {"format": "csv", "text": ["t"], "label": "y", "values": ["0", "1"], "more_dev": {}},
}


@pytest.mark.parametrize(
    ("key", "value"),
    [("labels", {}), ("source", [1]), ("source.text", {"a": 1}), ("source.more_dev", [1])],
)
def test_a_list_and_a_mapping_in_each_others_place_are_named(key: str, value: object) -> None:
    definition = OmegaConf.create(TASK)
    OmegaConf.update(definition, key, value, merge=False)
    with pytest.raises(UserError, match=rf"Change target_task\.{re.escape(key)}: "):
        checked(Task, definition, "target_task")


@settings(max_examples=150)
@given(
    changes=st.dictionaries(st.sampled_from([*TASK, "other"]), ANYTHING, max_size=2),
    source=st.dictionaries(st.sampled_from([*TASK["source"], "path", "x"]), ANYTHING, max_size=2),
)
def test_any_task_file_is_a_task_or_refused_in_one_sentence(
    changes: dict[str, object], source: dict[str, object]
) -> None:
    definition = {**TASK, "source": {**TASK["source"], **source}, **changes}
    try:
        task = checked(Task, OmegaConf.create(definition), "target_task")
        check_task(task)
        splits(task)
    except (GrammarParseError, KeyValidationError):
        return
    except UserError as error:
        said = str(error)
        assert said.startswith(("Change ", "Add source.", "Leave out source."))
        assert said.isprintable()
    else:
        pytest.fail("the files of this task are not there")
