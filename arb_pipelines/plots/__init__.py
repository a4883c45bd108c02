"""Pictures for people: arrays in, a PNG as markdown out.

Drawn without a display or a global figure, so that any process and thread may
draw. What to show and where it comes from belongs to the caller.
"""
