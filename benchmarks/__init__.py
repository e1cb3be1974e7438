"""How fast the queue is, measured."""
