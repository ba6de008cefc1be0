"""Arrow Flight as a peer of bench_serve.py: a file's bytes from memory, 1 MiB a batch.

    flight_peer.py serve FILE           prints the port, serves until it is killed
    flight_peer.py read PORT ROUNDS     prints JSON: bytes, seconds, cpu_seconds
"""

import json
import resource
import sys
import time

import numpy
import pyarrow
import pyarrow.flight

BATCH_BYTES = 1 << 20


class BytesServer(pyarrow.flight.FlightServerBase):
    """Answers every ticket with the whole file."""

    def __init__(self, path):
        super().__init__("grpc://127.0.0.1:0")
        content = numpy.fromfile(path, dtype=numpy.uint8)
        self.schema = pyarrow.schema([("bytes", pyarrow.uint8())])
        self.batches = [
            pyarrow.record_batch([pyarrow.array(content[begin:begin + BATCH_BYTES])], self.schema)
            for begin in range(0, len(content), BATCH_BYTES)]

    def do_get(self, context, ticket):
        return pyarrow.flight.RecordBatchStream(
            pyarrow.RecordBatchReader.from_batches(self.schema, self.batches))


def read(port, rounds):
    client = pyarrow.flight.connect(f"grpc://127.0.0.1:{port}")
    received = 0
    begin = time.monotonic()
    for _ in range(rounds):
        for chunk in client.do_get(pyarrow.flight.Ticket(b"all")):
            received += chunk.data.nbytes
    seconds = time.monotonic() - begin
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"bytes": received, "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        server = BytesServer(sys.argv[2])
        print(server.port, flush=True)
        server.serve()
    else:
        print(json.dumps(read(int(sys.argv[2]), int(sys.argv[3]))))
