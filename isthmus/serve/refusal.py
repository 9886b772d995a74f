"""A question without an answer. In: why, as one of three kinds, and a sentence. Out: an exception that files without sockets may raise.

Never here: how it goes over the wire (see `grpc.refused`).
"""

from typing import Literal

Kind = Literal["invalid", "missing", "conflict"]


class Refused(Exception):
    """`kind` is invalid (never ask again), missing, or conflict (two objects claim one address)."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind: Kind = kind
        self.sentence = sentence
