"""A local exchange that speaks KuCoin's protocol, for paper sessions, tests and demos.

A process of its own with a real matching engine: what a client does to it, it does
to the venue. The engine is pure and exact; the server puts the protocol around it.
How our own client talks to a venue belongs in ``venues``.
"""
