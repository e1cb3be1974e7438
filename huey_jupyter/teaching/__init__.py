"""Tools for lessons: they drive the real queue, nothing is simulated."""
