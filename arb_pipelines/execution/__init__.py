"""Live and paper sessions: a desk, driven by a venue's books and orders in real time.

What is decided, and in which order, is the desk's and ``trading``'s, the same objects as
in a backtest. Here is what a backtest does not need: exact amounts and an order's way to
the venue and back (``orders``), signals from outside (``signals``), people at the controls
(``control``), what is left behind (``records``), and the loop that keeps all of it
(``session``). Nothing here knows which venue it is, nor where its records are kept.
"""
