"""The kinds of tasks: outputs, losses, predictions and metrics."""
