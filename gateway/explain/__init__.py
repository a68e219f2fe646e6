"""Why there was an alarm, and why there was none: the journal replayed through one rule (docs/explain.md)."""
