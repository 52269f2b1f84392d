"""Where along a volume liver and tumor are: two lines of bars, as paths of an SVG of one unit a slice and 100 high."""

from typing import Any

HEIGHT = 100
# So that a slice with little tumor shows at all.
LEAST = 8


def draw_profile(result: dict[str, Any]) -> dict[str, str]:
    """Return the paths of liver and tumor; the highest bar is the slice with most liver."""
    most = max(1, *result["liver_px_by_slice"])
    return {
        organ: "".join(
            f"M{number} {HEIGHT}v-{max(LEAST, round(HEIGHT * px / most))}h1V{HEIGHT}z"
            for number, px in enumerate(result[f"{organ}_px_by_slice"])
            if px
        )
        for organ in ("liver", "tumor")
    }
