"""The safe expression language: conditions over metrics (`gateway.rules`), and over fields of foreign payloads."""
