"""The training of a stage: modules, evaluation, best weights, checkpoints and devices."""
