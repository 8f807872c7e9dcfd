"""``python -m ml_assets.cli``: the command where it is not installed as a script."""

from ml_assets.cli.app import main

if __name__ == "__main__":
    main()
