"""What is known of a pair of tasks without its gain, in groups that are used together."""

FEATURES = {
    "sizes": ("target rows", "support rows", "ratio"),
    "scores": ("majority", "headroom", "support's headroom"),
    "labels": ("label entropy", "support's label entropy"),
    "curves": ("early", "late", "support's early", "support's late"),
    "texts": ("text similarity",),
    "cosines": ("cosine",),  # of a stage that trained both, alone or with others
}
# What the records of a study may lack, and older ones do.
NEEDS = {
    "labels": "counts of labels",
    "curves": "curves of two evaluations or more",
    "cosines": "stages of several tasks by a method that weighs gradients",
}
DEFAULT = ("sizes", "scores")
