"""Brokers of a backtest: models of how a venue fills orders, and one that passes them on.

Each keeps ``containers.protocols.Broker``. What to order is not decided here.
"""
