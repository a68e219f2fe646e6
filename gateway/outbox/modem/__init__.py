"""4G modems over AT commands: voice calls, SMS in PDU mode, several of them as one pool."""
