"""Acknowledge by whatever is at hand: links, replies by SMS, keys in a call, and what is said back."""
