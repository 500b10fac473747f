"""``python -m rational_approx``: the command line."""

from rational_approx.commands.main import main

if __name__ == "__main__":
    main(prog_name="rational-approx")
