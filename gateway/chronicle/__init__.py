"""What people and the gateway itself did, as points in the telemetry store. See docs/chronicle.md."""
