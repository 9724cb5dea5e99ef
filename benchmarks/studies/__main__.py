"""``python -m benchmarks.studies`` runs a study."""

from benchmarks.studies.study import main

if __name__ == "__main__":
    main()
