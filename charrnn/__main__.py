"""The program: `charrnn`, and `python -m charrnn`."""

import signal


def main() -> None:
    """Runs the command line. Ctrl-C ends the process silently while the command line is still loading."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as in background jobs of scripts
    if not ignored:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from charrnn.resources import blas

    blas.start_with_one()
    from charrnn.cli import main as run

    if not ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
