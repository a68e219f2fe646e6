"""The Anju gateway: devices speak, it is written down before it is answered, a pure function decides, people are
reached until one of them takes it, and everything can be replayed."""
