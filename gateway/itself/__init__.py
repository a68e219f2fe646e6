"""The gateway watches itself: as a device among others, and by a heartbeat to somebody outside."""
