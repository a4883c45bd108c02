"""What the client id of an order tells.

An order of a desk is ``<cycle>-<n>``. The venue's orders that carry it one after the other are
that, then ``<cycle>-<n>_1``, ``_2``…; one that recovery makes is ``<cycle>-r<n>``, one of a
panic sell ``<cycle>-p<n>``.
"""

from __future__ import annotations

#: Stands between the client id of a desk's order and the number of a venue's order of it.
_LINK = "_"


def cycle_of(client_id: str) -> str:
    """Name the cycle of an order: ``7f3a-4-0_2`` is of ``7f3a-4``."""
    return client_id.rpartition("-")[0]


def desk_id(client_id: str) -> str:
    """Name the desk's order that a venue's order belongs to: ``7f3a-4-0_2`` is of ``7f3a-4-0``."""
    return client_id.partition(_LINK)[0]


def link_id(desk_order: str, number: int) -> str:
    """Name the venue's orders of a desk's order; the first has its name."""
    return f"{desk_order}{_LINK}{number}" if number else desk_order
