"""The one base error. In: a sentence, what to do about it, how the process ends. Out: an exception every floor can raise.

Never here: printing (see `cli.output`), logging, or errors of one room only; those subclass this in their room.
"""


class IsthmusError(Exception):
    """A refusal a person can act on.

    `sentence` says what is wrong and names the key and the value; `hint` says what to do, with a valid example;
    `code` is the exit code of the process (1: refused, 2: wrong usage, 3: the cluster does not answer).
    """

    def __init__(self, sentence: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.sentence}\n  hint: {self.hint}" if self.hint else self.sentence


class BadValue(IsthmusError):
    """A key from outside holds a value we cannot read."""

    def __init__(self, key: str, value: object, example: str, *, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(f"{key} is {value!r}{reason}", hint=f"write for example {example}", code=2)
        self.key = key
        self.value = value


class Unreachable(IsthmusError):
    """A cluster, or a process in it, does not answer."""

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence, hint=hint, code=3)


class Cut(Unreachable):
    """A stream that was open ended before its time."""
