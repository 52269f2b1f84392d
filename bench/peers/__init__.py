"""The same network and pictures behind other people's servers and queues, each in an environment of its own.

Each runs the product's own reading, preprocessing, network, postprocessing and mask (`models`), on two processes of one
thread, so that what differs is the machinery around them.
"""
