"""python -m bench"""

import sys

from bench.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
