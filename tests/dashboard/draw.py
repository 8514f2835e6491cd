#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""draw.py DASHBOARD URL SECONDS: the panels of a Grafana dashboard as one SVG, on standard output, from what a Prometheus
at that address has of the last so many seconds. What Grafana would show where it shows it: Debian has no Grafana. Only what
this dashboard uses is understood: stat, timeseries and table.
"""
import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

COLUMN, ROW, GAP = 50, 32, 8
COLORS = ["#2f6fb7", "#c9622b", "#3d8f4f", "#8a56a8", "#b8a02d", "#4aa3a3", "#a83e5c", "#666666", "#7fa63f", "#555599"]


def ask(url, path, **parameters):
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}") as reply:
        return json.load(reply)["data"]["result"]


def scaled(value, steps, units):
    unit = units[0]
    for unit in units:
        if abs(value) < steps or unit == units[-1]:
            break
        value /= steps
    return f"{value:.3g} {unit}".strip()


def shown(value, unit):
    if math.isnan(value):
        return "no data"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit in ("bytes", "Bps"):
        return scaled(value, 1024, ["B", "KiB", "MiB", "GiB"]) + ("/s" if unit == "Bps" else "")
    if unit == "s":
        return f"{value * 1e6:.3g} us" if 0 < value < 1e-3 else f"{value * 1e3:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
    return f"{value:.4g}"


class Picture:
    def __init__(self, dashboard, url, seconds):
        self.url, self.seconds, self.now = url, seconds, time.time()
        self.parts = []
        self.panels = dashboard["panels"]
        self.title = dashboard["title"]

    def text(self, x, y, what, size=12, weight="normal", anchor="start", color="#222222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
                          f'text-anchor="{anchor}" fill="{color}">{escape(what)}</text>')

    def expression(self, target):
        text = target["expr"].replace("$instance", ".*").replace("$__range", f"{self.seconds}s")
        return text.replace("$__rate_interval", f"{max(self.seconds // 10, 10)}s")

    def legend(self, target, labels):
        form = target.get("legendFormat") or ""
        name = re.sub(r"{{\s*(\w+)\s*}}", lambda m: labels.get(m.group(1), ""), form)
        return name or ", ".join(f"{k}={v}" for k, v in labels.items() if k != "__name__")

    def stat(self, panel, box):
        x, y, width, height = box
        result = ask(self.url, "query", query=self.expression(panel["targets"][0]), time=self.now)
        value = float(result[0]["value"][1]) if result else math.nan
        self.text(x + width / 2, y + height / 2 + 22, shown(value, self.unit(panel)), 26, "bold", "middle", COLORS[0])

    @staticmethod
    def unit(panel):
        return panel.get("fieldConfig", {}).get("defaults", {}).get("unit")

    def series(self, panel):
        for target in panel["targets"]:
            step = max(self.seconds / 120, 1)
            for row in ask(self.url, "query_range", query=self.expression(target), start=self.now - self.seconds,
                           end=self.now, step=step):
                points = [(float(t), float(v)) for t, v in row["values"]]
                points = [(t, v) for t, v in points if math.isfinite(v)]
                if points:
                    yield self.legend(target, row["metric"]), points

    def timeseries(self, panel, box):
        x, y, width, height = box
        rows = list(self.series(panel))
        if not rows:
            self.text(x + width / 2, y + height / 2, "no data", 12, "normal", "middle", "#999999")
            return
        rows.sort(key=lambda row: -max(v for _, v in row[1]))
        lines = min(len(rows), 4)
        left, top, right, bottom = x + 64, y + 30, x + width - 10, y + height - 14 * lines - 10
        most = max(max(v for _, v in points) for _, points in rows) or 1
        for part in (0, 0.5, 1):
            at = bottom - part * (bottom - top)
            self.parts.append(f'<path d="M{left:.1f} {at:.1f}H{right:.1f}" stroke="#dddddd"/>')
            self.text(left - 4, at + 4, shown(most * part, self.unit(panel)), 10, "normal", "end", "#777777")
        for number, (name, points) in enumerate(rows):
            color = COLORS[number % len(COLORS)]
            path = " ".join(f"{left + (right - left) * (1 - (self.now - t) / self.seconds):.1f},"
                            f"{bottom - (bottom - top) * max(v, 0) / most:.1f}" for t, v in points)
            self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>')
            if number < lines:
                at = y + height - 14 * (lines - number) + 4
                self.parts.append(f'<rect x="{left:.1f}" y="{at - 8:.1f}" width="10" height="3" fill="{color}"/>')
                more = f" (and {len(rows) - lines} more)" if number == lines - 1 and len(rows) > lines else ""
                self.text(left + 16, at - 3, name + more, 10)

    def table(self, panel, box):
        x, y, _, _ = box
        cells = {}
        for target in panel["targets"]:
            for row in ask(self.url, "query", query=self.expression(target), time=self.now):
                labels = row["metric"]
                cells.setdefault(labels.get("instance", ""), []).append(
                    labels.get("version") or f'{float(row["value"][1]):.13g}')
        for number, (instance, values) in enumerate(cells.items()):
            self.text(x + 12, y + 52 + 18 * number, "    ".join([instance] + values), 12)

    def draw(self):
        bottom = 0
        for panel in self.panels:
            grid = panel["gridPos"]
            box = (grid["x"] * COLUMN + GAP, grid["y"] * ROW + 40, grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP)
            bottom = max(bottom, box[1] + box[3])
            self.parts.append(f'<rect x="{box[0]}" y="{box[1]}" width="{box[2]}" height="{box[3]}" rx="3" '
                              'fill="#ffffff" stroke="#cccccc"/>')
            title = panel["title"]
            self.text(box[0] + 10, box[1] + 19, title, min(13, 1.65 * (box[2] - 20) / len(title)), "bold")
            getattr(self, panel["type"])(panel, box)
        width = 24 * COLUMN + GAP
        self.text(GAP, 26, self.title, 18, "bold")
        print("<!-- SPDX-License-Identifier: BSD-2-Clause -->")
        print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + GAP}" width="{width}" '
              f'height="{bottom + GAP}" font-family="sans-serif"><rect width="100%" height="100%" fill="#f4f5f5"/>')
        print("\n".join(self.parts))
        print("</svg>")


with open(sys.argv[1], encoding="utf-8") as file:
    Picture(json.load(file), sys.argv[2], int(sys.argv[3])).draw()
