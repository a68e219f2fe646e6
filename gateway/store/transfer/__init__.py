"""Telemetry out of a store, into another one, and away for good: export, import, erasure. See docs/data-rights.md."""
