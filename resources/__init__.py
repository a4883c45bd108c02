"""Dagster resources: hand plain domain objects of the engine to assets and sensors.

A resource says where a thing comes from and nothing about what is done with
it. Logic belongs in the engine; asset bodies, jobs and sensors stand above.
"""
