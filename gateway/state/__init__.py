"""The state database: tables, connections, migrations. All state that decisions rest on lives here, in SQL."""
