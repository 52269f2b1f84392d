"""LitServe: two workers, batches as given. Stores nothing."""

import sys

import litserve
from fastapi import Request

from bench.peers.work import analyse, analyse_batch, segmenter


class Screening(litserve.LitAPI):
    """The network as LitServe wants it."""

    def setup(self, device: str) -> None:
        """Load the network in each worker."""
        segmenter()

    # What arrives is the form; LitServe reads forms where the annotation says Request.
    def decode_request(self, request: Request) -> bytes:
        """Take the picture out of the form."""
        content: bytes = request["scan"].file.read()
        return content

    def predict(self, content: "bytes | list[bytes]") -> "dict | list[dict]":
        """Analyse one picture, or a batch."""
        return analyse_batch(content) if isinstance(content, list) else analyse(content)

    def unbatch(self, output: list[dict]) -> list[dict]:
        """Each picture's own answer."""
        return output

    def encode_response(self, output: dict) -> dict:
        """The answer is the result."""
        return output


if __name__ == "__main__":
    port, batch = int(sys.argv[1]), int(sys.argv[2])
    api = Screening(max_batch_size=batch, batch_timeout=0.01 if batch > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=2)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
