"""HTTP only: pages, the API, accounts. Never loads onnxruntime, OpenCV, torch, `models` or `worker`."""

from web.application import create_app

__all__ = ["create_app"]
