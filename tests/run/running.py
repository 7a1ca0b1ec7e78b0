"""The command line of a run alone, without what shows results: python -m tests.run.running ..."""

import argparse
import sys

from bench.cli.run import add_options, add_suite_options, run_suite


def main(arguments):
    parser = argparse.ArgumentParser()
    add_options(parser)
    add_suite_options(parser)
    options = parser.parse_args(arguments)
    options.typed = ["run", *arguments]
    try:
        return run_suite(options)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
