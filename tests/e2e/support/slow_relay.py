"""A TCP relay that hands on what the server sends at a few bytes a second."""

import select
import socket
import threading
import time

TICK_SECONDS = 0.5
# Small, so that the kernel does not take for the client what it has not read.
RECEIVE_BUFFER_BYTES = 4096


class SlowRelay:
    """Relays to `address`; `address` of the relay itself after construction.

    From the server each connection gets `bytes_per_second`, to the server
    everything passes at once.
    """

    def __init__(self, address, bytes_per_second):
        host, port = address.rsplit(":", 1)
        self._server = (host, int(port))
        self._quota = max(1, int(bytes_per_second * TICK_SECONDS))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.relayed_bytes = 0
        self._pairs = {}  # socket of a client: socket to the server
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._stopped = True
        self._thread.join()
        for client, server in self._pairs.items():
            client.close()
            server.close()
        self._listener.close()

    def _accept(self):
        client, _ = self._listener.accept()
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        server.connect(self._server)
        self._pairs[client] = server

    def _drop(self, client):
        self._pairs.pop(client).close()
        client.close()

    def _run(self):
        next_tick = time.monotonic()
        while not self._stopped:
            wait = max(0, next_tick - time.monotonic())
            readable, _, _ = select.select([self._listener, *self._pairs], [], [], wait)
            for ready in readable:
                if ready is self._listener:
                    self._accept()
                elif ready in self._pairs:
                    self._pass_to_server(ready)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_SECONDS
                self._pass_to_clients()

    def _pass_to_server(self, client):
        try:
            piece = client.recv(65536)
            if piece:
                self._pairs[client].sendall(piece)
                return
        except OSError:
            pass
        self._drop(client)

    def _pass_to_clients(self):
        for client, server in list(self._pairs.items()):
            try:
                piece = server.recv(self._quota, socket.MSG_DONTWAIT)
                if piece:
                    client.sendall(piece)
                    self.relayed_bytes += len(piece)
                else:
                    self._drop(client)
            except BlockingIOError:
                pass
            except OSError:
                self._drop(client)
