"""The words that config keys take, for whoever needs to list them."""

# Every rule with the settings of the group that it reads beside ``batches`` and ``epoch``.
RULES = {
    "size": (),
    "uniform": (),
    "temperature": ("temperature", "cap"),
    "annealed": (),
    "dynamic": ("mode", "temperature", "floor"),
}


MODES = ("softmax", "gap", "gap_x_size")


ONE_TASK_A_BATCH = ("homogeneous", "partition")


HELD_OUT = 10  # one row in ten of the draw selects under selection=held_out
