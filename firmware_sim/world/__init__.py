"""The simulated world around a gateway: a 120 centre and the messengers of the people who are told."""
