"""The one exception for what a user can get wrong."""

from hydra.errors import CompactHydraException


class UserError(CompactHydraException):
    """One sentence that says what is wrong and names the override to change.

    Hydra prints a ``CompactHydraException`` without a traceback and exits with code 1.

    Args:
        sentence: may quote data and other libraries' messages; lines are joined, and control
            characters and lone surrogates shown as escapes, so that it is one line for any log.

    Attributes:
        exit_code: of a command that ends with it.
    """

    exit_code = 1

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(" ".join(sentence.splitlines())))


def printable(text: str) -> str:
    """The text with an escape for every character that is none to print."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def first_line(error: BaseException | None) -> str:
    """Return the first line of another library's message, or its error's type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
