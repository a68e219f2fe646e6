"""Simulated firmware of every kind, over real MQTT and serial lines, and the simulated world around the gateway.

Knows `devices`, never `gateway`: a gateway is tested from outside, by what a device or a 120 centre can see.
"""
