"""The safe expression language: conditions over metrics (rules), and over the fields of foreign payloads (profiles)."""
