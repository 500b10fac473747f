"""``python -m rsae``: the command line."""

from rsae.commands.main import main

if __name__ == "__main__":
    main(prog_name="rsae")
