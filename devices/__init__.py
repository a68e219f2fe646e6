"""What devices are and what they say. Pure: bytes in, observations out; no sockets, no clock, no threads."""
