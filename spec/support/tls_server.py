"""TLS in front of the mock, well and badly: python3 tls_server.py FOLDER PORT.

Each line of FOLDER/doors is a door: a name, how it behaves, certificate, key. What comes through a good door goes to the mock at PORT. Says "name port" of each
on stdout.
SPDX-License-Identifier: MIT"""
import socket
import ssl
import struct
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for one in (source, sink):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def serve(connection, how, context, port, held):
    if how == "stall":  # the hello is read, and never answered
        held.append(connection)
        return
    if how == "plain":
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        return
    if how == "reset":
        connection.recv(1)
        reset(connection)
        return
    try:
        secured = context.wrap_socket(connection, server_side=True)
    except (OSError, ssl.SSLError):
        connection.close()
        return
    if how == "reset-behind":
        reset(secured)
        return
    mock = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=pump, args=(mock, secured), daemon=True).start()
    pump(secured, mock)


def open_door(how, certificate, key, port):
    context = None
    if certificate != "-":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if how == "old":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    held = []

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, how, context, port, held), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    with open(sys.argv[1] + "/doors", encoding="utf-8") as doors:
        for line in doors:
            name, how, certificate, key = line.split()
            print(name, open_door(how, certificate, key, int(sys.argv[2])), flush=True)
    print("ready", flush=True)
    threading.Event().wait()


main()
