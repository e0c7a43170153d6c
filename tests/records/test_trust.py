import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.records.test_record import record
from tlbench.config.identity import flatten
from tlbench.errors import UserError
from tlbench.records.older import with_later_keys
from tlbench.records.packing import sources
from tlbench.records.trust import check_trusted

ROOT = Path(__file__).parents[2]
KAPPA = "torchmetrics.classification.MulticlassCohenKappa"
PLAN, OPTIMIZER, METHOD = "strategy.plan", "optim.optimizer._target_", "method._target_"
RULE = "method.rule._target_"
MERGING = "merging._target_"


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (PLAN, "tlbench.plan.strategies.mtl"),
        (OPTIMIZER, "torch.optim.SGD"),
        (METHOD, "tlbench.methods.mean.Mean"),
        (RULE, "tlbench.methods.nash_mtl.NashMTL"),
        (RULE, "torchjd.aggregation.PCGradWeighting"),
        (MERGING, "tlbench.merging.ties.Ties"),
        ("target_task.kind", "regression"),
        ("target_task.kind", "tlbench.tasks.regression.Regression"),
        ("target_task.more_metrics.kappa._target_", KAPPA),
        ("encoder.trust_remote_code", False),
        ("logger.x._target_", "os.system"),  # a rerun has no logger
    ],
)
def test_what_comes_with_tlbench_and_torch_needs_no_trust(key: str, value: Any) -> None:
    check_trusted(record(config=nested(key, value)))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (PLAN, "theirs.plan", f"{PLAN}=theirs.plan, code from outside tlbench, torch, TorchJD, t"),
        (PLAN, "os.system", f"{PLAN}=os.system, code from outside"),
        (PLAN, "torch.load", f"{PLAN}=torch.load, which is nothing that this key takes"),
        (PLAN, "tlbench.cli.rerun.main", "which is nothing that this key takes"),
        (PLAN, "tlbench.plan.impossible.impossible", "which is nothing that this key takes"),
        (OPTIMIZER, "theirs.Own", f"{OPTIMIZER}=theirs.Own, code from outside"),
        (OPTIMIZER, "torch.hub.load", f"{OPTIMIZER}=torch.hub.load, which is nothing"),
        (OPTIMIZER, "torch.os.system", f"{OPTIMIZER}=torch.os.system, which is nothing"),
        (OPTIMIZER, "torch.nn.Linear", f"{OPTIMIZER}=torch.nn.Linear, which is nothing"),
        (OPTIMIZER, "torch.nope", f"{OPTIMIZER}=torch.nope, which is nothing"),
        (OPTIMIZER, 3, f"{OPTIMIZER}=3, code from outside"),
        (MERGING, "theirs.Rule", f"{MERGING}=theirs.Rule, code from outside"),
        (MERGING, "tlbench.methods.mean.Mean", "which is nothing that this key takes"),
        (METHOD, "transformers.pipeline", f"{METHOD}=transformers.pipeline, code from outside"),
        (RULE, "theirs.Rule", f"{RULE}=theirs.Rule, code from outside"),
        (RULE, "torch.hub.load", f"{RULE}=torch.hub.load, which is nothing"),
        (RULE, "torch.nn.Linear", f"{RULE}=torch.nn.Linear, which is nothing"),
        ("target_task.kind", "theirs.Kind", "target_task.kind=theirs.Kind, code from outside"),
        ("support_task.kind", "theirs.Kind", "support_task.kind=theirs.Kind, code from"),
        (
            "support_task.more_metrics.x._target_",
            "theirs.M",
            "support_task.more_metrics.x._target_=theirs.M",
        ),
        ("encoder.trust_remote_code", True, "encoder.trust_remote_code: Python code among"),
        ("encoder.trust_remote_code", "yes", "encoder.trust_remote_code: Python code among"),
        ("study", "${oc.env:HOME}", "study: ${oc.env:HOME}, to be resolved here"),
        ("suite.root", "a${oc.decode:b}", "suite.root: a${oc.decode:b}, to be"),
        ("suite.a.b", ["${hydra:job.name}"], "suite.a.b: ${hydra:job.name}, to be"),
        ("suite.x", {"${oc.env:HOME}": 1}, "suite.x: ${oc.env:HOME}, to be"),
    ],
)
def test_all_else_is_named_with_the_flag(key: str, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=r"^Add --trust if you would run the code of ") as raised:
        check_trusted(record(config=nested(key, value)))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"kind": "theirs.Kind"}, "tasks.rte.kind=theirs.Kind"),
        ({"more_metrics": {"x": {"_target_": "theirs.M"}}}, "tasks.rte.more_metrics.x._target_="),
        ({"more_metrics": {"x.y": {"_target_": "theirs.M"}}}, "tasks.rte.more_metrics.x.y._target"),
        ({"source": {"path": "${oc.env:HOME}"}}, "tasks.rte.source.path: ${oc.env:HOME}"),
    ],
)
def test_definitions_of_tasks_are_looked_at_too(definition: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as raised:
        check_trusted(record(config={"seed": 0}, tasks={"rte": definition}))
    assert said in str(raised.value)


def test_a_record_that_asks_for_much_is_still_a_sentence() -> None:
    suite = {str(i): "${x}" * 1000 for i in range(1000)}
    with pytest.raises(UserError, match=r" and 995 more\.$") as raised:
        check_trusted(record(config={"suite": suite}))
    assert len(str(raised.value)) < 1200


@pytest.mark.parametrize("package", ["torchmetrics", "lightning"])
def test_a_folder_of_a_trusted_name_is_not_imported(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise SystemExit('imported')")
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=f"the package {package} of {tmp_path}/{package}, which is"):
        check_trusted(record(config={"seed": 0}))


def test_the_published_records_need_no_trust() -> None:
    files = [*(ROOT / "notebooks").rglob("*.parquet")]
    assert files
    found = {}
    for source in sources(files):
        read = with_later_keys(source.read())
        found[tuple(sorted((k, str(v)) for k, v in flatten(read.config) if "_target_" in k))] = read
    for read in found.values():
        check_trusted(read)


def test_every_place_that_imports_by_a_dotted_path_is_known() -> None:
    """One that is added must be looked at in a record too."""
    files = [*(ROOT / "tlbench").rglob("*.py")]
    calling = {f.stem for f in files if re.search(r"\bimported(_class)?\(", f.read_text())}
    of_a_stage = {"runner"}  # a class of the strategy's
    assert calling == {"dotted", "trust", "experiment", "loggers", "base", "kinds"} | of_a_stage | {
        "gradients",
        "merge_rule",
        "more_metrics",
        "optimization",
    }
