"""What happened, kept so that a court or an insurer can rely on it: chain, anchors, attachments, export."""
