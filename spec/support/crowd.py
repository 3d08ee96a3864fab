"""Many clients of a gateway: crowd.py PORT COUNT. Each asks /health/live on a connection that it keeps; "inside" is said when all were answered.
SIGUSR1: one of them leaves. They all leave when this ends."""
import resource
import signal
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
crowd = []
for _ in range(count):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    crowd.append(client)
for client in crowd:
    assert client.recv(4096).startswith(b"HTTP/1.1 200 "), "not served"
signal.signal(signal.SIGUSR1, lambda number, frame: crowd.pop().close())
print("inside", flush=True)
while True:
    signal.pause()
