"""A port that nobody listens on, below those that the kernel gives to whoever asks for any: it stays free. SPDX-License-Identifier: MIT"""
import random
import socket


def free_port():
    while True:
        port = random.randint(12000, 31999)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


if __name__ == "__main__":
    print(free_port())
