"""Entry point of ``prepcore`` and ``python -m prepcore``."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from prepcore.cli import PROGRAM

    sys.exit(PROGRAM.main())


if __name__ == "__main__":
    main()
