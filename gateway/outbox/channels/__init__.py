"""Ways to reach people, devices and lines. A new channel is one file here."""
