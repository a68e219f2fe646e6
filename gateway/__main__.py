"""The command ``anju``, also as ``python -m gateway``."""

import gc


def main() -> None:
    """Load all commands and carry out the one that was typed."""
    # What is loaded stays. To look for garbage in it again and again takes a fifth of every start, and in a gateway
    # that runs it is a pause in which nothing is decided.
    gc.disable()
    from gateway.cli import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
