"""Read models: everything anybody sees, computed from entries and always rebuildable."""
