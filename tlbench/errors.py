"""The one exception for what a user can get wrong."""

from hydra.errors import CompactHydraException


class UserError(CompactHydraException):
    """One sentence that says what is wrong and names the override to change.

    Hydra prints a ``CompactHydraException`` without a traceback and exits with code 1.
    """
