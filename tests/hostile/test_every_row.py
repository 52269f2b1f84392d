"""All seventy hostile inputs have their test."""

import ast
from pathlib import Path

from tests.hostile.uploads import UPLOADS


def test_every_row_is_tested() -> None:
    tested = {number for upload in UPLOADS for number in upload.numbers}
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "row":
                tested |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}

    assert tested == set(range(1, 71))
