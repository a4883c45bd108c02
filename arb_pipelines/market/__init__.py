"""What the market is: symbols, the graph, cycles, books, fees, the scanner.

Pure functions of arrays and values. Nothing here does I/O, reads a clock, or
knows a venue's wire format.
"""
