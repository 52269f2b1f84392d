"""Flask and gunicorn, synchronous: the answer to the upload is the result. Stores nothing."""

from flask import Flask, request

from bench.peers.work import analyse, segmenter

app = Flask(__name__)
segmenter()


@app.post("/predict")
def predict() -> dict:
    """Analyse the body."""
    return analyse(request.get_data(cache=False))
