"""What is known of a pair of tasks before it was trained, in groups that are used together."""

FEATURES = {
    "sizes": ("target rows", "support rows", "ratio"),
    "scores": ("majority", "headroom", "support's headroom"),
    "labels": ("label entropy", "support's label entropy"),
    "curves": ("early", "late", "support's early", "support's late"),
    "texts": ("text similarity",),
}
# What the records of a study may lack, and older ones do.
NEEDS = {
    "labels": "counts of labels",
    "curves": "curves of two evaluations or more",
}
DEFAULT = ("sizes", "scores")
