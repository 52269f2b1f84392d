"""Run the network. The only file that knows onnxruntime."""

from pathlib import Path

import numpy as np
import onnxruntime

from models.contract import load_contract
from models.errors import ContractMismatch


class Segmenter:
    """The network in memory, on the CPU. Make it after a fork, never before one."""

    def __init__(self, model_dir: Path, *, threads: int = 1) -> None:
        """Load the network.

        Args:
            model_dir: folder with the contract and the network.
            threads: threads one call uses. Always given: left to itself, each process takes all cores.

        Raises:
            ContractMismatch: the file is not the contract's, or does not have its inputs and outputs.
        """
        self.contract = load_contract(model_dir)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                self.contract.path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            # onnxruntime's errors have no common base of their own.
            raise ContractMismatch(f"{self.contract.path.name} cannot be loaded: {type(error).__name__}") from error
        self._check_ports()

    def _check_ports(self) -> None:
        side = self.contract.side
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if (len(inputs), len(outputs)) != (1, 1):
            raise ContractMismatch(f"The network has {len(inputs)} inputs and {len(outputs)} outputs, not one of each.")
        (taken,), (given,) = inputs, outputs
        if (taken.name, taken.shape[1:]) != (self.contract.input_name, [1, side, side]):
            raise ContractMismatch(f"The network takes {taken.name} {taken.shape}, which its contract does not say.")
        if (given.name, given.shape[1:]) != (self.contract.output_name, [1 + self.contract.knows_liver, side, side]):
            raise ContractMismatch(f"The network gives {given.name} {given.shape}, which its contract does not say.")

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Return the probabilities of liver (with tumor) and tumor.

        Args:
            batch: (N, 1, S, S) float32 in 0..1, from `models.preprocess`.

        Returns:
            (N, 2, S, S) float32 in 0..1; (N, 1, S, S) of a network that knows tumor alone.
        """
        probabilities: np.ndarray = self._session.run([self.contract.output_name], {self.contract.input_name: batch})[0]
        return probabilities
