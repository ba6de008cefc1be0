"""A TCP proxy that can cut every connection through it."""

import selectors
import socket
import threading

PIECE_BYTES = 64 << 10


class CuttingProxy:
    """Forwards a port of its own to `target` ("HOST:PORT").

    `cut_after(n)` cuts all connections once n more bytes have gone to the
    target (`to_client=True`: to the client); `cut()` does so now.
    """

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._pairs = []
        self._left = None
        self._to_client = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._closed = True
        self._listener.close()
        self.cut(count=False)

    def aim_at(self, target):
        """New connections go to another server: the old one was restarted."""
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))

    def cut_after(self, byte_count, to_client=False):
        with self._lock:
            self._left = byte_count
            self._to_client = to_client

    def disarm(self):
        with self._lock:
            self._left = None

    def cut(self, count=True):
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self._left = None
            if count and pairs:
                self.cuts += 1
        for pair in pairs:
            for end in pair:
                try:
                    # Sends RST: what is under way is lost, as on a broken path.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\x01\0\0\0\0\0\0\0")
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _must_cut(self, byte_count, to_client):
        with self._lock:
            if self._left is None or to_client != self._to_client:
                return False
            self._left -= byte_count
            return self._left < 0

    def _forward(self, client, server):
        other = {client: server, server: client}
        with selectors.DefaultSelector() as selector:
            for end in other:
                selector.register(end, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in selector.select():
                        piece = key.fileobj.recv(PIECE_BYTES)
                        if not piece:
                            return
                        if self._must_cut(len(piece), key.fileobj is server):
                            self.cut()
                            return
                        other[key.fileobj].sendall(piece)
            except OSError:
                pass
            finally:
                with self._lock:
                    if (client, server) in self._pairs:
                        self._pairs.remove((client, server))
                client.close()
                server.close()
