"""An independent answer to which cycles there are: networkx, and its slow enumeration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise, product

import networkx as nx

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.inference import KNOWN_QUOTES
from arb_pipelines.market.symbols import Market, Status


def market(base: str, quote: str, status: Status = Status.TRADING) -> Market:
    """A market that has names and nothing else."""
    return Market("venue", f"{base}-{quote}", base, quote, f"{base}{quote}", status=status)


def named(cycles: CycleSet) -> list[tuple[str, str]]:
    """Path and key of every cycle, sorted."""
    return sorted((cycles.path(i), cycles.key(i)) for i in range(len(cycles)))


def networkx_cycles(
    markets: Sequence[Market], start: Sequence[str] | None, min_length: int, max_length: int
) -> list[tuple[str, str]]:
    """Path and key of every cycle as networkx finds them, sorted."""
    natural = [*KNOWN_QUOTES, *sorted({name for one in markets for name in (one.base, one.quote)})]
    legs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in markets:
        if one.status is Status.TRADING:
            legs[one.quote, one.base].append(f"{one.symbol}:buy")
            legs[one.base, one.quote].append(f"{one.symbol}:sell")
    found = []
    for cycle in nx.simple_cycles(nx.DiGraph(legs.keys()), length_bound=max_length):
        if len(cycle) < min_length:
            continue
        begin = next(
            (name for name in (natural if start is None else start) if name in cycle), None
        )
        if begin is None:
            continue
        at = cycle.index(begin)
        stops = [*cycle[at:], *cycle[: at + 1]]
        for walk in product(*(legs[step] for step in pairwise(stops))):
            found.append((">".join(stops), ">".join(walk)))
    return sorted(found)
