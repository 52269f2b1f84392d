"""The network and its contract: together or not at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.contract import CONTRACT_NAME, load_contract
from models.errors import ContractMismatch
from models.segmenter import Segmenter

SHIPPED = Path(models.__path__[0])


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    contract = load_contract(SHIPPED)
    shutil.copy(contract.path, tmp_path)
    shutil.copy(SHIPPED / CONTRACT_NAME, tmp_path)
    return tmp_path


def rewrite(model_dir: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    facts = json.loads((model_dir / CONTRACT_NAME).read_text())
    edit(facts)
    (model_dir / CONTRACT_NAME).write_text(json.dumps(facts))


def test_the_shipped_contract_says_what_a_card_needs() -> None:
    contract = load_contract(SHIPPED)

    assert contract.facts["licence"]["weights"] == "CC BY-SA 4.0"
    assert "Antonelli" in contract.facts["licence"]["attribution"]
    assert "Bilic" in contract.facts["licence"]["attribution"]
    assert "3D-IRCADb-01" in contract.facts["licence"]["note"]
    assert "Not a medical device" in contract.facts["intended_use"]
    assert contract.facts["parity"]["largest_difference"] <= 1e-4
    figures = contract.facts["metrics"]["val"]["figures"]
    # The calibration error of a resample is larger than that of the whole: its interval need not hold the value.
    assert all(f["low"] <= f["value"] <= f["high"] for name, f in figures.items() if name != "calibration_error")
    assert all(0 < threshold < 1 for threshold in contract.thresholds)


def test_the_shipped_network_is_small() -> None:
    assert load_contract(SHIPPED).path.stat().st_size < 20 * 2**20


@pytest.mark.parametrize("place", [0, 5000, -1])
def test_a_flipped_byte_is_noticed(model_dir: Path, place: int) -> None:
    path = load_contract(model_dir).path
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    with pytest.raises(ContractMismatch, match="SHA-256"):
        load_contract(model_dir)


@pytest.mark.parametrize("name", [CONTRACT_NAME, load_contract(SHIPPED).path.name])
def test_a_missing_file_is_noticed(model_dir: Path, name: str) -> None:
    (model_dir / name).unlink()

    with pytest.raises(ContractMismatch):
        load_contract(model_dir)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"text"', "{}"])
def test_a_contract_that_is_none_is_refused(model_dir: Path, text: str) -> None:
    (model_dir / CONTRACT_NAME).write_text(text)

    with pytest.raises(ContractMismatch):
        load_contract(model_dir)


@pytest.mark.parametrize("entry", ["name", "sha256", "file", "thresholds", "input", "calibration", "intended_use"])
def test_a_missing_entry_is_named(model_dir: Path, entry: str) -> None:
    rewrite(model_dir, lambda facts: facts.pop(entry))

    with pytest.raises(ContractMismatch, match=entry):
        load_contract(model_dir)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda facts: facts.update(thresholds=0.5), id="thresholds-a-number"),
        pytest.param(lambda facts: facts["input"].pop("shape"), id="no-shape"),
        pytest.param(lambda facts: facts.update(calibration=[]), id="calibration-a-list"),
        pytest.param(lambda facts: facts.update(file=7), id="file-a-number"),
    ],
)
def test_an_entry_of_another_form_is_refused(model_dir: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    rewrite(model_dir, edit)

    with pytest.raises(ContractMismatch):
        load_contract(model_dir)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda facts: facts["input"].update(name="other"), id="input-name"),
        pytest.param(lambda facts: facts["input"].update(shape=[None, 1, 96, 96]), id="side"),
        pytest.param(lambda facts: facts["output"].update(name="other"), id="output-name"),
    ],
)
def test_a_contract_that_the_graph_contradicts_is_refused(
    model_dir: Path, edit: Callable[[dict[str, Any]], Any]
) -> None:
    rewrite(model_dir, edit)

    with pytest.raises(ContractMismatch):
        Segmenter(model_dir)


def test_what_is_no_network_is_refused(model_dir: Path) -> None:
    import hashlib

    junk = b"junk" * 100
    load_contract(model_dir).path.write_bytes(junk)
    rewrite(model_dir, lambda facts: facts.update(sha256=hashlib.sha256(junk).hexdigest()))

    with pytest.raises(ContractMismatch, match="cannot be loaded"):
        Segmenter(model_dir)


def test_the_network_gives_probabilities_for_any_batch() -> None:
    segmenter = Segmenter(SHIPPED)
    side = segmenter.contract.side
    batch = np.random.default_rng(1).random((3, 1, side, side)).astype(np.float32)

    together = segmenter.predict(batch)
    alone = np.concatenate([segmenter.predict(batch[i : i + 1]) for i in range(3)])

    assert (together.shape, together.dtype) == ((3, 2, side, side), np.float32)
    assert 0 <= together.min() <= together.max() <= 1
    assert np.allclose(together, alone, atol=1e-5)
