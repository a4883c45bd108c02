"""The matching engine of the local exchange: pure, exact and without a clock.

``exchange.Exchange`` is the door: calls come in with the time they happen at, what
came of them goes out as events. Money is ``Decimal``; nothing is ever rounded that
moves between accounts. Wire formats, signatures and rate limits belong to the
server; what outlives the process belongs to ``exchange.state``.
"""
