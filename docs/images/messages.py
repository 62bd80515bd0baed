"""Draws `messages.png`, one announcement in each kind of channel: `.venv/bin/python docs/images/messages.py`.

E-mail, chat text and JSON are shown as they are sent. Slack's blocks are drawn here, because Slack needs an account.
"""

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from docs.images.browser import page as browser_page  # noqa: E402
from retrain.messages import formats  # noqa: E402
from tests.core.messages.test_formats import KINDS  # noqa: E402

STYLE = """
body { margin: 0; padding: 20px; width: 1360px; background: #f4f4f4; color: #1d1c1d;
       font: 14px/1.45 "Noto Sans KR", "DejaVu Sans", sans-serif; }
main { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; }
section { background: white; border: 1px solid #ccc; border-radius: 6px; padding: 12px 16px; overflow: hidden; }
h2 { margin: 0 0 8px; font-size: 12px; color: #555; font-weight: normal; }
pre { margin: 0; font-size: 12px; white-space: pre-wrap; word-break: break-word; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; margin: 8px 0; white-space: pre-line; }
.context { color: #555; font-size: 12px; margin: 8px 0; }
a { color: #1264a3; }
"""


def main() -> None:
    shown = KINDS["inconclusive"]
    body = {"key": "verdict/4f1c…", **shown.to_json(), "numbers": "…", "facts": "…"}
    panels = {
        "Slack": _slack(formats.slack(shown)),
        "E-mail": f"<p>{escape(formats.subject(shown))}</p><hr>{formats.html(shown)}",
        "Microsoft Teams, Discord and others, through Apprise": f"<pre>{escape(formats.quiet_text(shown))}</pre>",
        "Web hook": f"<pre>{escape(json.dumps(body, ensure_ascii=False, indent=1))}</pre>",
    }
    sections = "".join(f"<section><h2>{name}</h2>{panel}</section>" for name, panel in panels.items())
    with browser_page(1500, 1400) as page:
        page.set_content(f"<meta charset=utf-8><style>{STYLE}</style><main>{sections}</main>")
        page.locator("main").screenshot(path=Path(__file__).with_suffix(".png"))


def _slack(message: dict[str, Any]) -> str:
    parts = []
    for block in message["blocks"]:
        if "fields" in block:
            cells = "".join(f"<div>{escape(field['text'])}</div>" for field in block["fields"])
            parts.append(f'<div class="fields">{cells}</div>')
        elif block["type"] == "context":
            parts.append(f'<div class="context">{escape(block["elements"][0]["text"])}</div>')
        elif block["text"]["type"] == "mrkdwn":
            links = [link.strip("<>").split("|") for link in block["text"]["text"].split(" · ")]
            parts.append(" · ".join(f'<a href="{address}">{name}</a>' for address, name in links))
        else:
            parts.append(f"<div>{escape(block['text']['text'])}</div>")
    return "".join(parts)


if __name__ == "__main__":
    main()
