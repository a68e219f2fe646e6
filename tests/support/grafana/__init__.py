"""A stand-in for Grafana's HTTP API that checks every request against Grafana's published description of it."""
