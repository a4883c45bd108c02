"""KuCoin's books under loss, delay and reconnection, against the venue's true book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.market.book import Delta, Snapshot
from arb_pipelines.venues.kucoin.level2 import Level2Books

S = "BTC-USDT"
changes = st.lists(
    st.tuples(st.booleans(), st.integers(1, 6).map(float), st.integers(0, 3).map(float)),
    min_size=1,
    max_size=3,
)
#: What happens next: the venue trades, a message comes or is lost or comes twice, a snapshot
#: is asked for, made, received or fails, the connection drops and comes back.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), changes),
        st.tuples(st.sampled_from(["come", "come", "come", "lose", "twice"]), st.none()),
        st.tuples(st.sampled_from(["ask", "make", "receive", "receive", "fail"]), st.none()),
        st.tuples(st.just("drop"), st.none()),
    ),
    max_size=80,
)


class Venue:
    """The true book: two dictionaries, every change numbered, and each state remembered."""

    def __init__(self) -> None:
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self.sequence = 100
        self.states = {100: self.levels()}

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        bids, asks = (sorted(side.items()) for side in self.sides)
        return bids[::-1], asks

    def trade(self, changed: list[tuple[bool, float, float]]) -> Delta:
        first = self.sequence + 1
        bids, asks = [], []
        for is_bid, price, size in changed:
            self.sequence += 1
            side = self.sides[0 if is_bid else 1]
            side[price] = size
            if not size:
                del side[price]
            (bids if is_bid else asks).append((price, size))
        self.states[self.sequence] = self.levels()
        return Delta(first, self.sequence, bids, asks)

    def snapshot(self) -> Snapshot:
        return Snapshot(self.sequence, *self.levels())


def shown(books: Level2Books) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    bids, asks = books.top(S, 50)
    return list(zip(*bids, strict=True)), list(zip(*asks, strict=True))


@given(script=steps)
def test_a_book_is_true_or_not_shown_and_heals(script):
    """At each moment the book shows a true state of the venue or nothing; in the end the last.

    Losses, repeats, late and failed snapshots and reconnections come in any order. After
    them one message and the snapshots asked for bring the book of now.
    """
    venue, books = Venue(), Level2Books([S])
    under_way: list[Delta] = []
    asked: list[tuple[int, Snapshot | None]] = []
    books.want([S])

    def check() -> None:
        sequence = books.sequence(S)
        if sequence is None:
            assert shown(books) == ([], [])
        else:
            assert shown(books) == venue.states[sequence]

    for what, changed in script:
        match what:
            case "trade":
                under_way.append(venue.trade(changed))
            case "come" if under_way:
                books.take(S, under_way.pop(0))
            case "twice" if under_way:
                books.take(S, under_way[0])
                books.take(S, under_way.pop(0))
            case "lose" if under_way:
                under_way.pop(0)
            case "ask" if (wanted := books.next_lacking()) is not None:
                assert not asked, "one snapshot of a symbol at a time"
                asked.append((wanted[1], None))
            case "make" if asked:
                asked[0] = (asked[0][0], venue.snapshot())
            case "receive" if asked and asked[0][1] is not None:
                books.load(S, *asked.pop())
            case "fail" if asked:
                books.load(S, asked.pop()[0], None)
            case "drop":
                under_way.clear()
                books.forget([S])
                books.want([S])
        check()

    if asked:
        books.load(S, *asked.pop())
    under_way.append(venue.trade([(True, 1.0, 1.0)]))
    for delta in under_way:
        books.take(S, delta)
    while (wanted := books.next_lacking()) is not None:
        books.load(S, wanted[1], venue.snapshot())
    assert books.sequence(S) == venue.sequence
    check()


def test_a_snapshot_from_before_a_drop_is_not_loaded():
    """It could be older than what was lost, which on a quiet book would never show."""
    venue, books = Venue(), Level2Books([S])
    books.want([S])
    wanted = books.next_lacking()
    assert wanted is not None
    early = venue.snapshot()
    venue.trade([(True, 1.0, 1.0)])  # lost with the connection
    books.forget([S])
    books.want([S])
    assert books.next_lacking() is None, "the first snapshot is still under way"
    assert not books.load(S, wanted[1], early)
    assert books.sequence(S) is None
    again = books.next_lacking()
    assert again is not None
    assert books.load(S, again[1], venue.snapshot())
    assert shown(books) == venue.levels()


def test_a_snapshot_that_failed_is_asked_for_again():
    """Also of a quiet book, which no message would bring back."""
    venue, books = Venue(), Level2Books([S])
    books.want([S])
    wanted = books.next_lacking()
    assert wanted is not None
    assert not books.load(S, wanted[1], None)
    assert books.next_lacking() == wanted
    assert books.load(S, wanted[1], venue.snapshot())
    assert books.next_lacking() is None
