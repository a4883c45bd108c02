"""What stealing is worth: hourly bars, orders proposed on them, and every way of sharing capital.

``panel`` and ``generated`` are the bars, ``opportunities`` the orders, ``terms`` the
account, ``build`` lays them out as a ``world``. ``readable`` runs it with the
allocator or a baseline, ``kernel`` does the same compiled. ``metrics``, ``forecasts``
and ``comparison`` say what came of it. Reading bars from the lake is the part of
``research.allocation_worlds``.
"""
