"""The strategies: pure functions from an experiment to its final stage.

A new one is a function here (or anywhere importable) and a YAML file in ``conf/strategy``.
"""

from typing import TYPE_CHECKING

from tlbench.errors import UserError
from tlbench.plan.stage import Stage, TaskSubset

if TYPE_CHECKING:
    from tlbench.plan.experiment import Experiment


def single(experiment: "Experiment") -> Stage:
    """Fine-tune on the target task alone."""
    _supports(experiment, least=0, most=0)
    return experiment.stage([experiment.target])


def stilts(experiment: "Experiment") -> Stage:
    """Fine-tune on the support task, then on the target task (Phang et al. 2018)."""
    (support,) = _supports(experiment, least=1, most=1)
    return experiment.stage([experiment.target], start=experiment.stage([support]))


def mtl(experiment: "Experiment") -> Stage:
    """Train on the target and its support, or several of ``strategy.tasks``, together.

    The tasks are unordered, so a pair is one stage for both directions, and all tasks together
    are one for all targets.
    """
    return experiment.stage([experiment.target, *_supports(experiment, least=1)])


def mtl_then_target(experiment: "Experiment") -> Stage:
    """Train as ``mtl`` does, then on the target alone (MT-DNN, Liu et al. 2019, section 3).

    The second stage begins with the weights that were best for the target, its head among them.
    """
    return experiment.stage([experiment.target], start=mtl(experiment))


def chain(experiment: "Experiment") -> Stage:
    """Fine-tune on one support after the other, in their order, then on the target.

    STILTs (Phang et al. 2018) with several intermediate tasks. Each stage begins with the best
    weights of the one before it, so that chains which begin alike share their first stages.
    """
    first, *others = _supports(experiment, least=1)
    stage = experiment.stage([first])
    for subset in (*others, experiment.target):
        stage = experiment.stage([subset], start=stage)
    return stage


def lp_ft(experiment: "Experiment") -> Stage:
    """Train the target's head on the encoder as it is, then all weights (Kumar et al. 2022).

    A head that begins at random spoils pretrained features before it fits them; one that has been
    trained before does so less. The first stage, linear probing, has a learning rate of its own.

    Raises:
        UserError: if heads alone are to be trained, which would leave out the second half.
    """
    _supports(experiment, least=0, most=0)
    config, target = experiment.config, [experiment.target]
    if config.trainable == "heads":
        raise UserError(
            f"Change trainable to all: strategy={config.strategy.name} trains the head first, and "
            "then more."
        )
    probe = experiment.stage(target, trainable="heads", optim={"lr": config.optim.lr_heads})
    return experiment.stage(target, start=probe)


def jtt(experiment: "Experiment") -> Stage:
    """Train the target for a few epochs, then anew with more weight on what was wrong.

    Just train twice (Liu et al. 2021): no groups of train rows need be known. The first training is
    evaluated once, at its end, so that dev rows do not choose which rows are errors.
    """
    _supports(experiment, least=0, most=0)
    target, options = [experiment.target], experiment.config.jtt
    length = {"max_epochs": options.epochs, "early_stopping": None}
    first = experiment.stage(target, trainer=length, eval_every=float(options.epochs))
    return experiment.reweighted(experiment.stage(target), first, options.weight)


def self_training(experiment: "Experiment") -> Stage:
    """Train the target, have it label rows without labels, and train anew on both.

    Pseudo-labels (Lee 2013), taken above a threshold and of every class alike (Xie et al. 2020,
    Noisy Student, section 3). The teacher is the target's stage of ``single``; the student starts
    from the pretrained encoder too, with dropout as its noise.
    """
    (unlabelled,) = _supports(experiment, least=1, most=1)
    alone = experiment.stage([experiment.target])
    return experiment.self_trained(alone, unlabelled, teacher=alone)


def _supports(
    experiment: "Experiment", least: int, most: int | None = None
) -> tuple[TaskSubset, ...]:
    """Return an experiment's supports, if they are as many as its strategy takes.

    Raises:
        UserError: if they are not: ``strategy.supports`` may be overridden.
    """
    strategy, supports = experiment.config.strategy, experiment.supports
    if most is not None and len(supports) > most:
        names = ", ".join(support.name for support in supports)
        word = "one" if most else "none"
        raise UserError(
            f"Change strategy.supports to {word}: strategy={strategy.name} takes "
            f"{most or 'no'} support, and there are {len(supports)} ({names})."
        )
    if len(supports) < least:
        change = (
            "strategy.tasks: none of them is another than the target"
            if strategy.supports == "all"
            else f"strategy.supports to one or many: it is {strategy.supports}"
        )
        raise UserError(f"Change {change}, and strategy={strategy.name} needs a support.")
    return supports


def merge(experiment: "Experiment") -> Stage:
    """Merge the encoders of the target and its supports, each trained alone.

    With ``merging.fine_tune`` the target is trained once more, from the merge. The order of
    supports does not matter, so that it makes no other stage.
    """
    supports = sorted(experiment.supports, key=lambda subset: subset.name)
    merged = experiment.merge([experiment.stage([one]) for one in (experiment.target, *supports)])
    if not experiment.config.merging.get("fine_tune"):
        return merged
    return experiment.stage([experiment.target], start=merged)
