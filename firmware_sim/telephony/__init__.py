"""A telephone network without telephones: people with numbers, 4G modems on ttys, calls and SMS between them."""
