"""Topics: who is rung, how often, and that leaving leaves nothing."""

import pytest

from isthmus.serve import topics
from tests.unit.kube.test_store import key, thing


class Bell:
    """Counts."""

    def __init__(self):
        self.rings = 0

    def ring(self):
        self.rings += 1


def test_a_member_is_rung_once_for_many_topics():
    board, bell, other = topics.Board(), Bell(), Bell()
    board.join(("a", "b"), bell.ring)
    board.join(("c",), other.ring)
    board.ring(["a", "b", "d"])
    assert (bell.rings, other.rings) == (1, 0)
    board.ring([topics.EVERY])
    assert (bell.rings, other.rings) == (2, 1)


def test_who_left_is_not_rung_and_may_leave_twice():
    board, bell = topics.Board(), Bell()
    with board.joined(("a",), bell.ring):
        assert board.size == 1
    leave = board.join(("a",), bell.ring)
    leave()
    leave()
    board.ring(["a"])
    assert (bell.rings, board.size) == (0, 0) and not board._members


def test_a_full_board_refuses():
    board = topics.Board(limit=1)
    board.join(("a",), Bell().ring)
    with pytest.raises(topics.Full):
        board.join(("a",), Bell().ring)


def test_a_store_is_followed():
    from isthmus.kube import store

    board, bell, seen = topics.Board(), Bell(), []
    held = store.Store("ConfigMap")
    board.join(("x",), bell.ring)
    topics.follow(
        held, board, lambda o: seen.append(o.metadata.name) or ["x"], lambda k: seen.append(f"-{k.name}") or ["x"]
    )
    held.feed_list([thing("a"), thing("b")])
    held.feed_delete(key("a"))
    assert sorted(seen[:2]) == ["a", "b"] and seen[2] == "-a" and bell.rings == 2


def test_an_answer_is_worked_out_once_for_all_who_ask_the_same():
    board, asked = topics.Board(), []
    memo = topics.Memo(board)

    def ask():
        asked.append(1)
        return b"x"

    with memo.shared("q", ["a"], ask) as one, memo.shared("q", ["a"], ask) as two:
        assert one() == two() == b"x" and len(asked) == 1 and len(memo) == 1
        board.ring(["b"])
        assert one() and len(asked) == 1
        board.ring(["a"])
        assert one() and two() and len(asked) == 2
    assert (len(memo), board.size) == (0, 0)


def test_a_refusal_is_not_kept():
    memo = topics.Memo(topics.Board())
    said = iter([LookupError("no"), b"x"])

    def ask():
        found = next(said)
        if isinstance(found, Exception):
            raise found
        return found

    with memo.shared("q", [], ask) as answer:
        with pytest.raises(LookupError, match="no"):
            answer()
        assert answer() == b"x"
