"""What all pictures have in common: fonts and style."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib as mpl
import pylopdf_fonts_ko
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager

GREY = "#666666"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""Okabe and Ito: told apart with any colour vision."""
_DPI = 100


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches; to be made and drawn on within `style`."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str) -> Path:
    """As `<name>.png` in this folder. The same figure gives the same file."""
    path = folder / f"{name}.png"
    with style():
        # Not `savefig`: for a figure with a layout that draws twice, and drawing is all that takes time here.
        FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]
    return path


def short(text: str, most: int) -> str:
    """Without its middle where it is long: long names often differ at their end."""
    text = " ".join(text.split())
    end = most // 3
    return text if len(text) <= most else f"{text[: most - 1 - end]}…{text[-end:]}"


@cache
def _fonts() -> list[str]:
    """Korean first, as it holds Latin too; what it lacks is taken from matplotlib's own."""
    path = pylopdf_fonts_ko.sans_path()
    fontManager.addfont(path)
    return [FontProperties(fname=path).get_name(), "DejaVu Sans"]


@contextmanager
def style() -> Iterator[None]:
    """What a person set up for matplotlib does not matter, and neither does a dollar sign in a class name."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.family": _fonts(),
                "font.size": 9,
                "axes.titlesize": 10,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "grid.color": "#DDDDDD",
                "text.parse_math": False,
            }
        )
        yield
