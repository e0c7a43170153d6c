"""Which rows a task leaves out: ``source.keep``, an expression over a row's columns."""

from collections.abc import Callable

from tlbench.config.schema import Task
from tlbench.data.expressions import RowExpression
from tlbench.data.readers import Row


def row_filter(task: Task) -> Callable[[Row, str], bool]:
    """Return what says of a row, found at a place, whether the task keeps it.

    Raises:
        UserError: if ``source.keep`` is no expression; and later of a row, if it names a column
            that is not there.
    """
    if task.source.keep is None:
        return lambda row, where: True
    expression = RowExpression(task.source.keep, f"source.keep of task '{task.name}'")
    return lambda row, where: bool(expression(row, where))
