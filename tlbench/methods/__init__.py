"""Methods: from the losses of a step's tasks to gradients."""
