"""The human side: answers, duty, attachments, drills."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what was not there."""
