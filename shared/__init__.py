"""What web and worker both speak: settings, errors, tables, the job transitions, storage, the queue.

Imports nothing from `web`, `worker` or `models`, and never Flask, onnxruntime, OpenCV or torch.
"""
