"""The program: `charrnn`, and `python -m charrnn`."""

import signal


def main() -> None:
    """Runs the command line. While that is loaded Ctrl-C just ends the process: there is nothing to say yet."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as nohup and scripts have it
    if not ignored:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from charrnn.cli import main as run

    if not ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
