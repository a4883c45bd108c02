"""One execution context each: what a backtest, a trial or a live strategy lives in.

A container owns its strategy, risk, order manager, broker, portfolio, clock and
event bus; what it shares with others (books, metadata, settings) is read-only.
What the components decide belongs in ``trading``; how a backtest fills orders, in
``backtest``.

Read ``protocols`` and ``desk`` for how components work together, ``spec``,
``factories`` and ``container`` for how they come into being, ``runner`` and
``executors`` for how many containers run at once, ``registry`` for their files.
"""
