"""Anju's devices, announced so that a home assistant sees them: what is said (pure), and who says it."""
