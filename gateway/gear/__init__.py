"""Off-the-shelf gear at the gateway: bridges, what they say on its way to the journal, commands back, strangers."""
