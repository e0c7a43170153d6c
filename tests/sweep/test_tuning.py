"""A tuned sweep in this process: trials, what they choose, and what goes on where; of seconds."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import Trained
from tests.support.sweeps import MakeSweeper, Sweep, records_below
from tlbench.analysis import collect, verdict
from tlbench.errors import UserError
from tlbench.records.record import ResultRecord
from tlbench.sweep.limits import OutOfTimeError
from tlbench.sweep.tuning_plan import Tuning

LR = "optim.lr: [1e-4, 1e-3]"
SWEEPER = ("hydra/sweeper=tuned", f"hydra.sweeper.tune={{{LR}}}")
PAIR = ("target_task=rte", "support_task=mrpc")
TWO = (*SWEEPER, *PAIR, "strategy=single,mtl")
THREE = (*SWEEPER, *PAIR, "strategy=single,stilts,mtl")
TRIALS = {"rte": 2, "mrpc": 2, "mrpc+rte": 2, "rte<-mrpc": 2}
FINALS = {"rte": 1, "mrpc": 1, "mrpc+rte": 1, "rte<-mrpc": 1}


def trials(tmp_path: Path) -> list[ResultRecord]:
    return records_below(tmp_path / "sweep" / "trials")


def finals(tmp_path: Path) -> dict[str, ResultRecord]:
    """The study's own records, by strategy and seed."""
    files = collect([tmp_path / "sweep"]).table.file
    every = [record for file in files for record in records_below(Path(file).parent)]
    return {f"{one.strategy} s{one.seed}": one for one in every}


def chosen(record: ResultRecord, of: str) -> dict[str, Any]:
    (one,) = [trial for trial in record.tuning if trial["of"] == of and trial["chosen"]]
    values: dict[str, Any] = one["values"]
    return values


def test_every_candidate_has_its_trials_and_the_seeds_have_what_they_choose(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*THREE, "selection=dev", "seed=1,2")
    first, then = trained.titles[: sum(TRIALS.values())], trained.titles[sum(TRIALS.values()) :]
    assert Counter(first) == TRIALS, "a support is tuned once, for all that start from it"
    assert set(first[-2:]) == {"rte<-mrpc"}, "and before them"
    assert Counter(then) == dict.fromkeys(FINALS, 2)
    for one in trials(tmp_path):
        assert (one.config["selection"], one.seed) == ("held_out", 0)
        assert one.held_out_score is not None
        assert one.study == "sweep_trials", "W&B's group, so that no trial stands among the runs"
    records = finals(tmp_path)
    assert {*records} == {f"{s} s{seed}" for s in ("single", "stilts", "mtl") for seed in (1, 2)}
    stilts = records["stilts s1"]
    assert [trial["of"] for trial in stilts.tuning] == ["single mrpc"] * 2 + [
        "stilts rte<-mrpc"
    ] * 2
    best: dict[str, float] = {}
    for trial in stilts.tuning:
        best[trial["of"]] = max(trial["held_out_score"], best.get(trial["of"], 0.0))
        assert not trial["chosen"] or trial["held_out_score"] == best[trial["of"]]
    assert stilts.config["optim"]["lr"] == chosen(stilts, "stilts rte<-mrpc")["optim.lr"]
    assert stilts.config["tuned"] == {
        "grid": {"optim.lr": [1e-4, 1e-3]},
        "trials": 2,
        "supports": {"mrpc": chosen(stilts, "single mrpc")},
    }
    assert stilts.config["selection"] == "dev"
    (one,) = verdict(collect([tmp_path / "sweep"]))
    assert len(one.candidates) == 3, "that are compared, whatever was chosen for each"
    printed = capsys.readouterr().out
    assert "tuning: 2 trials for each of 3 candidates; tasks alone that they start " in printed
    assert "8 trials and 6 runs of what they choose: 16 stages, 0 of them reused" in printed
    assert "Chosen by held-out rows of train" in printed


@pytest.mark.slow
def test_the_same_again_trains_nothing_and_more_seeds_only_those(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*TWO)
    before = finals(tmp_path)
    del trained.titles[:]
    sweep(*TWO)
    assert trained.titles == []
    assert finals(tmp_path) == before
    sweep(*TWO, "seed=0,1")
    assert trained.titles == ["rte", "mrpc+rte"]


def test_killed_between_trials_and_seeds_it_goes_on(
    sweep: Sweep, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    with monkeypatch.context() as patched:
        patched.setattr(Tuning, "_plan", _killed_at_finals(Tuning._plan, Killed))
        with pytest.raises(Killed):
            sweep(*TWO)
    assert Counter(trained.titles) == {"rte": 2, "mrpc+rte": 2}
    del trained.titles[:]
    sweep(*TWO)
    assert trained.titles == ["rte", "mrpc+rte"]
    assert all(one.tuning for one in finals(tmp_path).values())


def _killed_at_finals(plan: Any, kill: type[BaseException]) -> Any:
    def planned(tuning: Tuning, combinations: Any, folder: Path) -> Any:
        # The preview plans them as well, before anything is chosen by trials.
        if folder == tuning.folder and all(one.title for one in tuning.choices.values()):
            raise kill
        return plan(tuning, combinations, folder)

    return planned


@pytest.mark.slow
def test_a_trial_that_failed_ends_it_before_it_chooses(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.errors["mrpc+rte"] = RuntimeError("no memory")
    with pytest.raises(UserError, match=r"^2 experiments failed; the same command again runs only"):
        sweep(*THREE)
    assert "failed: mtl rte<-mrpc s0: RuntimeError: no memory" in capsys.readouterr().out
    assert Counter(trained.titles) == {"rte": 2, "mrpc": 2}
    del trained.titles[:], trained.errors["mrpc+rte"]
    sweep(*THREE)
    assert trained.titles[:2] == ["mrpc+rte", "mrpc+rte"]
    assert len(finals(tmp_path)) == 3


@pytest.mark.slow
def test_where_all_trials_have_diverged_there_is_no_choice(sweep: Sweep) -> None:
    wild = "hydra.sweeper.tune={optim.lr: [1e8, 1e9]}"
    with pytest.raises(
        UserError, match=r"^Change .*none of the 2 trials of single rte has a score"
    ):
        sweep("hydra/sweeper=tuned", wild, "target_task=rte", "optim.gradient_clip=null")


@pytest.mark.slow
def test_a_merge_has_the_values_of_what_it_merges(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*SWEEPER, *PAIR, "strategy=merge")
    assert Counter(trained.titles) == {"rte": 3, "mrpc": 3}
    (merge,) = finals(tmp_path).values()
    assert merge.config["optim"]["lr"] == chosen(merge, "single rte")["optim.lr"]
    assert merge.config["tuned"]["supports"]["mrpc"] == chosen(merge, "single mrpc")
    assert "merge rte<-mrpc: trains nothing of its own" in capsys.readouterr().out


@pytest.mark.slow
def test_what_no_method_changes_is_tuned_once_for_all_methods(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*SWEEPER, *PAIR, "strategy=single,stilts,mtl,merge", "method=sum,mean")
    assert Counter(trained.titles) == {"rte": 3, "mrpc": 3, "mrpc+rte": 6, "rte<-mrpc": 3}
    every = [one for one in records_below(tmp_path / "sweep") if one.strategy == "mtl"]
    titles = {trial["of"] for one in every for trial in one.tuning}
    assert titles == {"mtl rte<-mrpc (method=sum)", "mtl rte<-mrpc (method=mean)"}


@pytest.mark.slow
def test_a_support_is_tuned_on_the_rows_that_its_candidates_train_on(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sizes = ("subsample_size.target=40", "subsample_size.support=2x")
    sweep(*SWEEPER, *PAIR, "strategy=stilts", *sizes, "selection=held_out")
    # With the seed and the selection of the trials the chosen ones are the very stages.
    assert Counter(trained.titles) == {"mrpc": 2, "rte<-mrpc": 2}
    (stilts,) = finals(tmp_path).values()
    chosen_keys = [trial["stage"] for trial in stilts.tuning if trial["chosen"]]
    assert stilts.stage_keys == chosen_keys


@pytest.mark.slow
def test_several_supports_of_a_chain_have_their_own(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*SWEEPER, "target_task=rte", "strategy=chain", "strategy.tasks=[mrpc,cola]")
    assert Counter(trained.titles)["mrpc"] == Counter(trained.titles)["cola"] + 1 == 3
    (chain,) = finals(tmp_path).values()
    assert {*chain.config["tuned"]["supports"]} == {"mrpc", "cola"}


@pytest.mark.slow
def test_a_sample_is_the_same_for_all(sweep: Sweep, tmp_path: Path) -> None:
    grid = "hydra.sweeper.tune={optim.lr: [1e-5,1e-4,1e-3], batch_size: [8,16]}"
    options = ("hydra.sweeper.trials=2", "hydra.sweeper.tuning_seed=3")
    sweep("hydra/sweeper=tuned", grid, *options, *PAIR, "strategy=single,mtl")
    tried: dict[str, list[Any]] = {}
    for one in trials(tmp_path):
        values = (one.config["optim"]["lr"], one.config["batch_size"])
        tried.setdefault(one.strategy, []).append(values)
        assert one.seed == 3
    assert sorted(tried["single"]) == sorted(tried["mtl"])
    assert len({*tried["single"]}) == 2


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*THREE, "seed=0,1", "hydra.sweeper.dry_run=true")
    assert capsys.readouterr().out.splitlines()[:3] == [
        "tuning: 2 trials for each of 3 candidates; tasks alone that they start from: 2 for each "
        "of single mrpc",
        "8 trials and 6 runs of what they choose: 16 stages, 0 of them reused and at most 16 to "
        "train",
        "at most 988 rows to train and 2,144 to evaluate",
    ]
    assert trained.titles == []
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), r"^Add 'hydra.sweeper.tune="),
        ((SWEEPER[1], "optim.lr=1e-3"), "^Leave out optim.lr=0.001: hydra.sweeper.tune chooses"),
        (("hydra.sweeper.tune={optim.lr: [-1]}",), "^Change optim.lr: -1.0 is not a number more"),
        (("hydra.sweeper.tune={batch_size: [1]}", "strategy=mtl"), "^Change batch_size: 1 is less"),
        ((SWEEPER[1], "subsample_size.target=5"), "^Change selection, or subsample_size: held_out"),
        ((SWEEPER[1], "hydra.sweeper.max_hours=-1"), "^Change hydra.sweeper.max_hours: "),
        ((SWEEPER[1], "strategy=stilts", "support_task=none"), "^Add support_task="),
    ],
)
def test_what_can_not_be_tuned_is_one_sentence_before_any_training(
    make_sweeper: MakeSweeper, trained: Trained, words: tuple[str, ...], said: str
) -> None:
    made = make_sweeper("hydra.mode=MULTIRUN", "hydra/sweeper=tuned", *PAIR, *words)
    sweeper, _, overrides = made
    with pytest.raises(UserError, match=said):
        sweeper.conduct(overrides)
    assert trained.titles == []


def test_its_time_is_that_of_trials_and_seeds_together(sweep: Sweep, trained: Trained) -> None:
    with pytest.raises(OutOfTimeError, match=r"max_hours=1e-06 is used up: 0 of 6 experiments"):
        sweep(*THREE, "hydra.sweeper.max_hours=1e-6")
    assert len(trained.titles) <= 1
