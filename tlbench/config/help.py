"""What ``tlbench --help`` prints: a page that a person reads."""

import textwrap
from collections.abc import Iterator

from tlbench.config.overrides import options

# The groups in the order in which a reader meets them, and what each is for.
GROUPS = {
    "target_task": "the task whose score you care about",
    "support_task": "data that might help it",
    "strategy": "what is trained: the target alone, one after the other, together, merged",
    "experiment": "a whole study, or a protocol, by one name",
    "encoder": "the pretrained model; any other by encoder.name=<hub name or folder>",
    "encoder/adapter": "train a few weights beside the encoder's own",
    "suite": "where the tasks' rows are: GLUE, SuperGLUE, XNLI, or generated",
    "subsample_size": "how many rows of them are used",
    "sampling": "how the rows of several tasks are mixed",
    "method": "how the losses of several tasks become one gradient",
    "perturb": "flat minima: where the gradient is taken",
    "penalty": "sparse features: a term of the loss beside the tasks' own",
    "match": "related labels: what one task's say of another's",
    "match/relations": "which labels those are",
    "adversary": "features that do not tell whose row it is",
    "synthesis": "how a language model writes the rows of support_task=synthesised",
    "merging": "how strategy=merge makes one encoder of several",
    "optim": "optimizer, learning rate, schedule",
    "trainer": "epochs, precision, devices, checkpoints",
    "logger": "where curves and scores go",
    "debug": "does it run? In seconds, on generated rows",
}
_WIDTH = 100
_HEAD = """\
tlbench trains the ways to use a support task for a target task, and says which to choose.

    tlbench [--config-dir FOLDER] [-m] GROUP=OPTION ... KEY=VALUE ...

Examples
    tlbench experiment=quickstart                               one question answered, no downloads
    tlbench target_task=rte support_task=mnli strategy=stilts   one experiment
    tlbench -m target_task=rte support_task=mnli,qnli strategy=single,stilts,mtl seed='range(5)'
                                                                a study: every combination
    tlbench experiment=paper_grid hydra.sweeper.dry_run=true    what it would train; trains nothing
    tlbench hydra/sweeper=race hydra.sweeper.trainings=40 target_task=rte support_task=mnli,qnli
                                                                the answer with few trainings
    tlbench hydra/sweeper=tuned 'hydra.sweeper.tune={optim.lr: [1e-5,1e-4]}' target_task=rte \\
        support_task=mnli strategy=single,mtl seed='range(5)'   each tuned alike, then compared
    tlbench --config-dir my_conf target_task=tickets            a task of your own, in
                                                                my_conf/target_task/tickets.yaml

Groups, what each is for, and its options"""
_TAIL = """\
Keys: every value of the config, as optim.lr=5e-5 or trainer.max_epochs=10
    tlbench target_task=rte --cfg job    shows all of them with their values; runs nothing
    docs/guide/configuration.md          says what each means

Options
    -m, --multirun            a study: values that are lists, 0,1,2, are all tried
    --config-dir FOLDER       a folder of configs of your own
    --cfg job                 show the config
    --version, --help         --hydra-help lists Hydra's own options

Other commands (each has --help)
    tlbench-doctor            what this machine can do, and what to set
    tlbench-affinity          which tasks to train together, predicted from studies
    tlbench-report            a study's answer on one page
    tlbench-export, -predict  the model, and what it predicts
    tlbench-store, -rerun     finished stages; a record's experiment once more"""


def page() -> str:
    """Return the page, with the options of the user's config folders among ours."""
    return "\n".join([_HEAD, *_groups(), "", _TAIL])


def _groups() -> Iterator[str]:
    """Yield a line a group, and more for its options where they do not fit behind it."""
    for group, purpose in GROUPS.items():
        line, listed = f"    {group:16}{purpose}", ", ".join(options(group))
        if len(f"{line}: {listed}") <= _WIDTH:
            yield f"{line}: {listed}"
            continue
        yield line
        filled = textwrap.fill(listed, _WIDTH - 24, break_on_hyphens=False)
        yield textwrap.indent(filled, " " * 24)
