"""What all pictures have in common: fonts and style."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

from retrain import extras
from retrain.errors import MissingExtraError
from retrain.text import shorten

try:
    import matplotlib as mpl
    import pylopdf_fonts_ko
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, fontManager
except ModuleNotFoundError as error:
    raise MissingExtraError(f"pictures need an extra; {extras.remedy('report')}") from error

GREY = "#666666"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""From the palette of Okabe and Ito, whose colours differ for every kind of colour vision."""
_DPI = 100


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches; make it and draw on it within `style`."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write `<name>.png` into this folder and return its path. The same figure gives the same file."""
    path = folder / f"{name}.png"
    path.write_bytes(png(figure))
    return path


def png(figure: Figure) -> bytes:
    """Return the picture. The same figure gives the same bytes."""
    content = BytesIO()
    with style():
        # Not `savefig`: it draws a figure with a layout twice, and drawing is all that takes time here.
        FigureCanvasAgg(figure).print_png(content)  # type: ignore[no-untyped-call]
    return content.getvalue()


def short(name: str, most: int) -> str:
    """Return a name as it fits into a picture, without its middle where it is long."""
    return shorten(name, most, keep_end=True)


@cache
def _fonts() -> list[str]:
    """The Korean font first, as it holds Latin too; matplotlib's own has the glyphs that it lacks."""
    path = pylopdf_fonts_ko.sans_path()
    fontManager.addfont(path)
    return [FontProperties(fname=path).get_name(), "DejaVu Sans"]


@contextmanager
def style() -> Iterator[None]:
    """Draw in our style: a user's settings of matplotlib and a dollar sign in a class name have no effect."""
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
