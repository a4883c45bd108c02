"""What speaks a venue's own language: one folder a venue, each knowing only itself.

A venue's names and formats end here; what comes out is in the project's words.
"""
