"""The commands of `arb`, one module a topic, each with ``register(app)``.

Thin: read arguments, make one engine call, print. Heavy imports happen inside
the functions, so that `arb --help` is quick.
"""
