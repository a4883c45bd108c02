"""The graph of a venue: currencies are its vertices, each symbol two directed edges.

Adjacency in CSR arrays, for kernels. Which walks matter is decided in
``cycles``; prices and fees are the scanner's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt
from numba import njit

Int32 = npt.NDArray[np.int32]

BUY = 0
SELL = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """Directed multigraph of ``m`` symbols over ``n`` currencies.

    Both are numbered in order of appearance; ``number`` tells a currency's, and
    lists them in that order. The edges out of currency ``c`` are
    ``ptr[c]:ptr[c + 1]`` of ``to`` and ``leg``, shapes ``(n + 1,)`` and ``(2 m,)``.
    A leg is a symbol and a side in one number, ``2 * symbol + side``, so that
    ``leg ^ 1`` is the way back: ``BUY`` leads from quote to base, ``SELL`` from
    base to quote. ``ends[leg]``, shape ``(2 m,)``, is the currency it leads to.
    """

    number: dict[str, int]
    ends: Int32
    ptr: Int32
    to: Int32
    leg: Int32


def build_graph(pairs: Sequence[tuple[str, str]]) -> Graph:
    """Build the graph of symbols given as (base, quote)."""
    number: defaultdict[str, int] = defaultdict(count().__next__)
    ends = np.empty(2 * len(pairs), np.int32)
    ends[0::2] = [number[base] for base, _ in pairs]
    ends[1::2] = [number[quote] for _, quote in pairs]
    number.default_factory = None  # from here on an unknown name is an error again
    return Graph(number, ends, *_adjacency(ends, len(number)))


@njit(cache=True)
def _adjacency(ends: Int32, n: int) -> tuple[Int32, Int32, Int32]:
    """Sort the edges by the currency they leave; ``ends`` alternates base and quote."""
    ptr = np.zeros(n + 1, np.int32)
    for end in ends:
        ptr[end + 1] += 1
    for c in range(n):
        ptr[c + 1] += ptr[c]
    free = ptr[:-1].copy()
    to = np.empty(ends.shape[0], np.int32)
    leg = np.empty(ends.shape[0], np.int32)
    for code in range(ends.shape[0]):
        # An even code is a BUY: it leaves the quote, which stands second of the pair.
        source = ends[code ^ 1]
        to[free[source]], leg[free[source]] = ends[code], code
        free[source] += 1
    return ptr, to, leg
