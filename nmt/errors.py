"""What the user is told when something is wrong with what they gave us."""

from __future__ import annotations


class UserError(Exception):
    """A mistake in the user's input: a sentence that says what, where and how to mend it.

    The commands print ``str(error)`` without a traceback and exit with code 2.
    Mistakes of our own are plain assertions and other exceptions.
    """

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  {self.mend}" if self.mend else text


class UserErrors(UserError):
    """Several mistakes found in one pass, reported together."""

    def __init__(self, errors: list[UserError]) -> None:
        assert errors
        self.errors = errors
        super().__init__("\n".join(str(error) for error in errors))

    def __reduce__(self) -> tuple[type[UserErrors], tuple[list[UserError]], dict[str, object]]:
        return type(self), (self.errors,), self.__dict__
