"""The level-2 book against a dictionary of prices, on random snapshots and deltas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.market.book import Book, Break, Delta, SequencedBook, Snapshot, Taken

prices = st.integers(0, 12).map(lambda ticks: ticks / 10)  # 0 moves no level
sizes = st.integers(0, 3).map(float)
levels = st.lists(st.tuples(prices, sizes), max_size=6)
sides = st.tuples(levels, levels)


class Naive:
    """The oracle: two dictionaries, sorted on demand."""

    def __init__(self) -> None:
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})

    def replace(self, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> None:
        self.sides = ({}, {})
        self.apply(bids, asks)

    def apply(self, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> None:
        for side, changes in zip(self.sides, (bids, asks), strict=True):
            for price, size in changes:
                if price and size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def top(self, depth: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        bids, asks = (sorted(side.items()) for side in self.sides)
        return bids[::-1][:depth], asks[:depth]


def top(book: Book, depth: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The best levels of ``book`` as pairs."""
    bids, asks = book.bids.top(depth), book.asks.top(depth)
    return list(zip(*bids, strict=True)), list(zip(*asks, strict=True))


@given(snapshot=sides, deltas=st.lists(sides, max_size=30), depth=st.integers(1, 14))
def test_book_equals_a_dictionary(snapshot, deltas, depth):
    """After every delta the top levels are those of a dictionary sorted anew."""
    snapshot = tuple([(p, s) for p, s in side if p] for side in snapshot)
    book, naive = Book(), Naive()
    book.replace(*snapshot)
    naive.replace(*[list({p: s for p, s in side if s}.items()) for side in snapshot])
    for bids, asks in deltas:
        book.apply(bids, asks)
        naive.apply(bids, asks)
        assert top(book, depth) == naive.top(depth)


@given(deltas=st.lists(sides, min_size=1, max_size=30), depth=st.integers(1, 6))
def test_truncate_keeps_the_best(deltas, depth):
    """Truncating drops exactly the levels beyond the depth, and the book goes on working."""
    book, naive = Book(), Naive()
    for bids, asks in deltas:
        book.apply(bids, asks)
        naive.apply(bids, asks)
    book.bids.truncate(depth)
    book.asks.truncate(depth)
    assert top(book, 99) == naive.top(depth)
    book.apply([(0.05, 1.0)], [(0.05, 1.0)])
    assert book.asks.top(1) == ([0.05], [1.0])
    assert len(book.bids) == min(depth, len(naive.sides[0])) + 1


@st.composite
def streams(draw):
    """Numbered deltas of 1 to 3 updates each, without a hole, from a random first number."""
    number = draw(st.integers(0, 50))
    stream = []
    for bids, asks in draw(st.lists(sides, min_size=1, max_size=20)):
        last = number + draw(st.integers(0, 2))
        stream.append(Delta(number, last, bids, asks))
        number = last + 1
    return stream


def state_after(stream: list[Delta], sequence: int) -> Snapshot:
    """The true book once every delta up to ``sequence`` was applied to an empty one."""
    naive = Naive()
    for delta in stream:
        if delta.last <= sequence:
            naive.apply(delta.bids, delta.asks)
    return Snapshot(sequence, *(list(side.items()) for side in naive.sides))


@given(stream=streams(), data=st.data())
def test_any_snapshot_at_any_time_gives_the_same_book(stream, data):
    """Whenever the snapshot comes, and however old it is, the book ends as if nothing were held."""
    after = data.draw(st.integers(0, len(stream)))
    covered = data.draw(st.integers(-1, len(stream) - 1))
    sequence = stream[covered].last if covered >= 0 else stream[0].first - 1
    sequenced = SequencedBook()
    for delta in stream[:after]:
        assert sequenced.push(delta) == (Taken.HELD, None)
    done, broken = sequenced.load(state_after(stream, sequence))
    assert broken is None
    assert [delta for delta, _ in done] == stream[:after]
    for delta in stream[after:]:
        taken, broken = sequenced.push(delta)
        assert broken is None
        assert taken is (Taken.COVERED if delta.last <= sequence else Taken.APPLIED)
    assert sequenced.live
    truth = Naive()
    truth.replace([], [])
    for delta in stream:
        truth.apply(delta.bids, delta.asks)
    assert top(sequenced.book, 99) == truth.top(99)


@given(stream=streams(), data=st.data())
def test_a_lost_delta_is_one_break_until_a_snapshot(stream, data):
    """A delta lost in mid-stream is told once, whenever the snapshot came; a newer one heals it."""
    stream = [*stream, Delta(stream[-1].last + 1, stream[-1].last + 1, [], [])]
    stream = [Delta(stream[0].first - 1, stream[0].first - 1, [], []), *stream]
    lost = data.draw(st.integers(1, len(stream) - 2))
    first_snapshot = data.draw(st.integers(0, len(stream)))
    sequenced, breaks = SequencedBook(), []
    for position, delta in enumerate(stream):
        if position == first_snapshot:
            breaks.append(sequenced.load(state_after(stream, stream[0].last))[1])
        if position != lost:
            breaks.append(sequenced.push(delta)[1])
    expected = Break(stream[lost].first, stream[lost + 1].first)
    assert [found for found in breaks if found] == [expected]
    assert not sequenced.live
    done, broken = sequenced.load(state_after(stream, stream[lost].last))
    assert broken is None
    assert sequenced.live
    assert top(sequenced.book, 99) == top_of(state_after(stream, stream[-1].last))
    assert [delta for delta, taken in done if taken is Taken.APPLIED] == stream[lost + 1 :]


def top_of(snapshot: Snapshot) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The levels of a snapshot, sorted."""
    return sorted(snapshot.bids, reverse=True), sorted(snapshot.asks)
