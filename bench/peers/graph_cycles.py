"""Cycles of a symbol list by igraph and networkx, measured by themselves.

Runs in the peers' own environment, with the tasks as arguments. Reads a JSON
list of [base, quote] from stdin; writes, for each task, the median of its runs
in ms and how many undirected (igraph) or directed (networkx) cycles it found.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import chain, count

import igraph
import networkx as nx

Pairs = list[tuple[str, str]]


def igraph_graph(pairs: Pairs) -> igraph.Graph:
    """Build the graph in the fastest of the ways tried: numbers in tuples, no names.

    An array of numbers, ``Graph.TupleList`` and a second pass over the names
    all take longer.
    """
    number: defaultdict[str, int] = defaultdict(count().__next__)
    edges = [(number[base], number[quote]) for base, quote in pairs]
    return igraph.Graph(len(number), edges)


def igraph_triangles(pairs: Pairs) -> list[tuple[int, ...]]:
    """Build and list; ``cliques(3, 3)`` takes nine times as long."""
    return igraph_graph(pairs).list_triangles()


def igraph_cycles_of_3_and_4(pairs: Pairs) -> list[tuple[int, ...]]:
    """Build and list."""
    return igraph_graph(pairs).simple_cycles(min=3, max=4)


def networkx_triangles(pairs: Pairs) -> list[list[str]]:
    """Build and list; the two-way edges themselves come out too and are left aside."""
    graph = nx.DiGraph()
    for base, quote in pairs:
        graph.add_edge(base, quote)
        graph.add_edge(quote, base)
    return [cycle for cycle in nx.simple_cycles(graph, length_bound=3) if len(cycle) == 3]


def networkx_triangles_hubs_first(pairs: Pairs) -> list[list[str]]:
    """The same on numbers that sort the hubs first, the kindest order for its search."""
    degree = Counter(chain.from_iterable(pairs))
    place = {name: i for i, (name, _) in enumerate(degree.most_common())}
    return networkx_triangles([(place[base], place[quote]) for base, quote in pairs])


RUNS: dict[str, tuple[Callable[[Pairs], list[object]], int]] = {
    "igraph_triangles": (igraph_triangles, 300),
    "igraph_cycles": (igraph_cycles_of_3_and_4, 7),
    "networkx_triangles": (networkx_triangles, 1),
    "networkx_triangles_hubs_first": (networkx_triangles_hubs_first, 5),
}


def main(tasks: list[str]) -> None:
    pairs = [(base, quote) for base, quote in json.load(sys.stdin)]
    results: dict[str, object] = {
        "versions": {"igraph": igraph.__version__, "networkx": nx.__version__}
    }
    for name in tasks:
        task, runs = RUNS[name]
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            found = len(task(pairs))
            times.append(time.perf_counter() - begun)
        results[name] = {"ms": 1e3 * statistics.median(times), "found": found}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
