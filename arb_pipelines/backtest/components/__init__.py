"""The components of a backtest, as factories that a container file names.

Each takes its parameters and its container, and only puts together what stands
elsewhere. ``containers/components.yaml`` lists them.
"""
