"""``python -m benchmarks`` is the command ``mixturebench``."""

from benchmarks.cli import main

if __name__ == "__main__":
    main()
