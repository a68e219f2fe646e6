"""The decider: observations, timers, answers and deliveries in; decisions out, each in one transaction."""
