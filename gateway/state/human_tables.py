"""Further tables of the state database, of the human side: answers, duty, attachments, drills."""
