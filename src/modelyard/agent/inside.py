"""Starts a program without a network: FD ADDRESS PORT COMMAND...

It is run by its path, without site and this package, so that it takes milliseconds. It listens at the address inside the
program's own network, hands the socket out by the Unix socket FD, and becomes the program.
"""

import os
import socket
import sys


def main() -> None:
    number, address, port, *command = sys.argv[1:]
    with socket.socket(fileno=int(number)) as outside:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, int(port)), family=family, backlog=64) as listener:
            socket.send_fds(outside, [b"."], [listener.fileno()])
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program of the step
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
