"""What keeps a gateway from starting although nothing is broken."""


class NotConfigured(Exception):
    """The gateway cannot start as it is set up; the message says what to do."""
