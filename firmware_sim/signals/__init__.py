"""Signals that look like the real ones: days, noise, physiology, ECG, traffic."""
