"""``python -m gateway`` is ``anju``."""

from gateway.cli import main

main()
