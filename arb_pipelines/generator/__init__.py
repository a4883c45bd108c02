"""A seeded market, for whoever has no recordings: symbol list, values, quotes, files.

It is calibrated to look like recorded markets, not to be profitable
(``docs/generator.md`` compares). What it writes goes the way of any recording;
nothing downstream may know that books were generated.
"""
