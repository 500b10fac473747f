"""`python -m tests.adversaries.third_opinion`; its work is in ``run.py``, which worker processes can import."""

from tests.adversaries.third_opinion.run import main

if __name__ == "__main__":
    main()
