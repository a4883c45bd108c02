"""Trading cycles: the strategy, the risk and the order manager that every session uses.

They speak in the events of ``trading.events`` and fit the protocols of
``containers``; a backtest, a paper session and a live one run the same objects. None
of them knows how an order comes to be filled, how long it takes, or what time it is.
"""
