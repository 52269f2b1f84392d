"""The CNN: reading scans, preprocessing, the network, measuring. Imports nothing of ours from outside this folder.

What serves needs numpy, OpenCV, Pillow, pydicom and, in `segmenter` alone, onnxruntime; torch and onnx only train.
"""
