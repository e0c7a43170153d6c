"""A strategy: a function from an experiment to its final stage."""


def gentle_chain(experiment):
    """Train on each support in the order given, then on the target at half the rate.

    A stage starts from the best weights of the one before it, and has config values of its own
    where it is given any.
    """
    stage = None
    for support in experiment.supports:
        stage = experiment.stage([support], start=stage)
    half = experiment.config.optim.lr / 2
    return experiment.stage([experiment.target], start=stage, optim={"lr": half})
