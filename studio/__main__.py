"""`python -m studio`."""

from studio.cli import program

if __name__ == "__main__":
    program()
