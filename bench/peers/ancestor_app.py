"""The ancestor's way: each request builds its network anew in Keras, loads the weights, and predicts. Stores nothing.

Its own network (7,759,521 parameters, 128 x 128), not the shipped one: this measures the way, not the engine.
"""

import os
import tempfile
from pathlib import Path

import cv2
import keras
import numpy as np
from flask import Flask, request
from keras import layers

SIDE = 128
WIDTHS = (32, 64, 128, 256, 512)
# Levels whose second convolution is not dilated, as in its listing.
UNDILATED = {5, 6, 7, 9}


def level(x: object, number: int, width: int) -> object:
    """Two convolutions."""
    for index in range(2):
        dilation = 1 if index and number in UNDILATED else 2
        x = layers.Conv2D(width, 3, padding="same", dilation_rate=dilation, activation="relu")(x)
        if index == 0 and number <= 2:
            x = layers.Dropout(0.1)(x)
    return x


def build() -> keras.Model:
    """Build the dilated U-Net."""
    taken = x = keras.Input((SIDE, SIDE, 1))
    skips = []
    for number, width in enumerate(WIDTHS[:-1], 1):
        x = level(x, number, width)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = level(x, 5, WIDTHS[-1])
    for number, width in enumerate(reversed(WIDTHS[:-1]), 6):
        x = layers.Conv2DTranspose(width, 2, strides=2, padding="same")(x)
        x = level(layers.concatenate([x, skips.pop()]), number, width)
    return keras.Model(taken, layers.Conv2D(1, 1, activation="sigmoid")(x))


app = Flask(__name__)
WEIGHTS = Path(tempfile.mkdtemp()) / f"{os.getpid()}.weights.h5"
build().save_weights(WEIGHTS)


@app.post("/predict")
def predict() -> dict:
    """Analyse the body as the ancestor did."""
    content = np.frombuffer(request.get_data(cache=False), np.uint8)
    picture = np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    keras.backend.clear_session()
    network = build()
    network.load_weights(WEIGHTS)
    mask = (network.predict(small[None, ..., None], verbose=0)[0, ..., 0] > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return {"lesions": len(contours), "mask_bytes": len(cv2.imencode(".png", mask * 255)[1])}
