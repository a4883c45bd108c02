"""What a trial measures: one kind of target a module."""
