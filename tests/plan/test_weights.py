"""Which weights are kept, and made where they are asked for later."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import Compose, Run, Trained
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.weights import asked_for, kept
from tlbench.store.store import Store
from tlbench.training.train import train_stage

STILTS = ("strategy=stilts", "support_task=mnli")
MTL = ("strategy=mtl", "support_task=mnli")


@pytest.mark.parametrize(
    ("overrides", "tasks"),
    [
        (STILTS, [{"mnli"}, set()]),
        ((*STILTS, "keep_weights=none"), [{"mnli"}, set()]),
        ((*STILTS, "keep_weights=all"), [{"mnli"}, {"rte"}]),
        ((*STILTS, "keep_weights=[rte]"), [{"mnli"}, {"rte"}]),
        ((), [{"rte"}]),
        (("keep_weights=none",), [set()]),
        (MTL, [set()]),
        ((*MTL, "keep_weights=all"), [{"mnli", "rte"}]),
        ((*MTL, "keep_weights=[rte]"), [{"rte"}]),
        ((*MTL, "sampling=dynamic"), [{"mnli"}, {"rte"}, set()]),
        ((*MTL, "sampling=dynamic", "keep_weights=none"), [set(), set(), set()]),
    ],
)
def test_what_a_plan_keeps(
    compose: Compose, overrides: tuple[str, ...], tasks: list[set[str]]
) -> None:
    plan = build(compose(*overrides)).plan()
    by_key = kept(plan, plan[-1])
    assert [set(by_key[stage.key]) for stage in plan] == tasks


def test_a_stage_alone_is_the_last_one(compose: Compose) -> None:
    plan = build(compose(*STILTS, "keep_weights=[mnli]", "only_stage=x")).plan()
    assert asked_for(plan[0].graph()) == {plan[0].key: {"mnli"}}


def test_a_list_is_about_the_stage_that_a_plan_ends_with(compose: Compose) -> None:
    """So a sweep's job for a stage before it need not train the same tasks."""
    plan = build(compose(*STILTS, "keep_weights=[rte]")).plan()
    assert dict(kept(plan, plan[0]))[plan[0].key] == {"mnli"}
    key = plan[0].key
    experiment = build(compose(*STILTS, f"only_stage='{key}'", "keep_weights=[mnli]"))
    assert experiment.last_of(experiment.plan()).key == key
    experiment = build(compose(*STILTS, f"only_stage='{key}'", "keep_weights=[rte]"))
    with pytest.raises(UserError, match=r"^Change keep_weights: 'rte' is none of the tasks"):
        experiment.last_of(experiment.plan())


@pytest.mark.parametrize("keep", ["[mnli]", "[rte,nope]", "some", "3", "null"])
def test_what_can_not_be_kept_is_refused(compose: Compose, keep: str) -> None:
    with pytest.raises(UserError, match=r"^Change keep_weights: "):
        build(compose(f"keep_weights={keep}")).plan()


def weights(store: Store) -> dict[str, list[str]]:
    return {manifest["title"]: manifest["weights"] for manifest in store.stages()}


def test_weights_that_are_asked_for_later_are_made(
    run: Run, trained: Trained, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    first = run(*STILTS)
    assert weights(store) == {"mnli": ["mnli"], "rte<-mnli": []}
    again = run(*STILTS, "keep_weights=all")
    assert weights(store) == {"mnli": ["mnli"], "rte<-mnli": ["rte"]}
    assert trained.titles == ["mnli", "rte<-mnli", "rte<-mnli"]
    assert store.weights(again.stage_keys[-1], "rte").joinpath("model.safetensors").is_file()
    assert again.score == first.score
    run(*STILTS, "keep_weights=all")
    assert len(trained.titles) == 3


@pytest.mark.slow
def test_weights_that_were_pruned_are_made_again_where_they_are_asked_for(
    run: Run, trained: Trained, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    first, last = run(*STILTS, "keep_weights=all").stage_keys
    store.drop_weights(first)
    run(*STILTS)  # needs nothing of it
    assert trained.titles == ["mnli", "rte<-mnli"]
    run(*STILTS, "keep_weights=all")
    assert trained.titles == ["mnli", "rte<-mnli", "mnli"]
    store.drop_weights(last)
    run(*STILTS, "keep_weights=[rte]")
    assert trained.titles == ["mnli", "rte<-mnli", "mnli", "rte<-mnli"]


def test_what_was_kept_before_stays(run: Run, tmp_path: Path) -> None:
    run(*MTL, "keep_weights=[mnli]")
    run(*MTL, "keep_weights=[rte]")
    assert weights(Store(tmp_path / "store")) == {"mnli+rte": ["mnli", "rte"]}


def test_another_score_of_a_stage_that_is_trained_again_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pass

    train = train_stage

    def another(*arguments: object) -> dict[str, object]:
        manifest = train(*arguments)  # type: ignore[arg-type]
        manifest["tasks"]["rte"]["score"] = 0.123
        return manifest

    score = run("keep_weights=none").score
    monkeypatch.setattr("tlbench.training.train.train_stage", another)
    run("keep_weights=all")
    assert f"rte was trained again for its weights: {score} of rte then, 0.123 now" in caplog.text


@pytest.mark.slow
def test_a_stage_goes_on_where_other_weights_are_wanted_or_says_why_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tlbench.training.module import MultiTaskModule

    step = MultiTaskModule.training_step

    def interrupted(self: MultiTaskModule, *arguments: Any) -> None:
        if self.global_step == 3:
            raise SystemExit
        step(self, *arguments)

    store = Store(tmp_path / "store")
    for seed, (before, after) in enumerate((("none", "all"), ("all", "none"))):
        with monkeypatch.context() as patch:
            patch.setattr(MultiTaskModule, "training_step", interrupted)
            with pytest.raises(SystemExit):
                run(f"seed={seed}", f"keep_weights={before}")
        record = run(f"seed={seed}", f"keep_weights={after}")
        folders = {path.name for path in store.folder(record.stage_keys[0]).iterdir()}
        assert ("weights" in folders) == (after == "all")
        assert "best" not in folders
    assert "rte s0 was started without keeping weights of rte, so it starts again" in caplog.text
    assert "is damaged" not in caplog.text
