"""The structure of the Python program that OpenChat grew out of: a thread for each client, who writes to all others.

Only the frames are the benchmark's own: a big-endian u32 length, then so many bytes.
"""

import socket
import ssl
import struct
import sys
import threading

rooms = {}
lock = threading.Lock()


def read(stream, length):
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def frame(stream):
    header = read(stream, 4)
    return header + read(stream, struct.unpack(">I", header)[0])


def serve(connection, context):
    try:
        stream = context.wrap_socket(connection, server_side=True)
        hello = frame(stream)
        room, hears = struct.unpack(">IB", hello[4:])
        with lock:
            members = rooms.setdefault(room, [])
            if hears:
                members.append((stream, threading.Lock()))
        stream.sendall(hello)
        while True:
            message = frame(stream)
            with lock:
                everybody = list(members)
            for other, turn in everybody:
                with turn:
                    other.sendall(message)
    except (OSError, ConnectionError):
        return


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain("cert.pem", "key.pem")
context.num_tickets = 0
threading.stack_size(256 * 1024)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(connection, context), daemon=True).start()
