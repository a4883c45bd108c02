"""What a program of somebody else calls: one cycle with an exchange object of ccxt.

Arguments, the call, and its result. How a cycle is carried out belongs to ``execution``.
"""
