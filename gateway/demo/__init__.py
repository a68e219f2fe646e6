"""`anju demo`: a gateway with a simulated community around it, and a live view of what happens."""
