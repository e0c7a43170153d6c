"""Tasks whose labels are related."""

from tlbench.config.schema import Source, Task

NLI = ["entailment", "neutral", "contradiction"]
MNLI = Task("mnli", NLI, ["accuracy"], ["accuracy"], Source())
RTE = Task("rte", ["entailment", "not_entailment"], ["accuracy"], ["accuracy"], Source())
STSB = Task("stsb", None, ["spearman"], ["spearman"], Source())
TOPICS = Task("topics", ["a", "b"], ["micro_f1"], ["micro_f1"], Source(), kind="multilabel")
TO_RTE = [[1, 0], [0, 1], [0, 1]]
