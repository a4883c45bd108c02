"""Searching for parameters, and saying honestly what was found.

Spaces, samplers, the search itself, walk-forward windows and the statistics of a
lucky trial. What a trial measures is a target; which tables it is kept in belongs
in ``research``.
"""
