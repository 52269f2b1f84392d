"""Write a network in 8-bit integers: QDQ form, weights per channel, calibrated on training slices.

Unsigned activations with signed weights is the pair for which processors have one instruction (VNNI); onnxruntime runs
the others up to twelve times slower.
"""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.contract import Contract
from models.dataset import read_infos, read_pair
from models.preprocess import preprocess

# Spread over all persons of the training split; twice as many moved no range by more than a hundredth.
CALIBRATION_SLICES = 128


class TrainingSlices(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Training slices one by one, as the calibration wants them."""

    def __init__(self, root: Path, contract: Contract) -> None:
        infos = read_infos(root, "train")
        chosen = infos[:: max(1, len(infos) // CALIBRATION_SLICES)]
        self._feeds: Iterator[dict[str, np.ndarray]] = (
            {contract.input_name: preprocess(read_pair(root, "train", info)[0], contract.side)[None]} for info in chosen
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next slice, or None when all were seen."""
        return next(self._feeds, None)


def quantise(contract: Contract, root: Path, out: Path, *, in_float: tuple[str, ...] = ()) -> None:
    """Write the contract's float network to `out` in 8-bit integers.

    Args:
        contract: of the float network.
        root: folder with the splits and slices.csv.
        out: the file to write.
        in_float: beginnings of the names of nodes that stay in float.
    """
    options: dict[str, Any] = {"ActivationSymmetric": False, "WeightSymmetric": True}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(contract.path, prepared, skip_symbolic_shape=True)
        nodes = [node.name for node in onnx.load(prepared).graph.node]
        quantize_static(
            prepared,
            out,
            TrainingSlices(root, contract),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[name for name in nodes if name.startswith(in_float)] if in_float else [],
            extra_options=options,
        )
