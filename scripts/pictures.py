"""Draws docs/pictures: `pictures.py RECORD FOLDER [PICTURE...]`.

RECORD is the program that plays days and lives (tests/src/bin/record.rs); what it gives is
kept in FOLDER. PICTURE is `cost`, `day` or `dashboard`; without one, all are drawn. The
dashboard's queries are answered by the exporter and the Prometheus of target/monitoring, as
Grafana would have them answered.
"""

import collections
import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
SECONDS = 420
STEP = 10

INK, GREY, PALE = "#24292f", "#6e7781", "#d8dee4"
COLOURS = ["#0969da", "#cf5b00", "#1a7f37", "#8250df", "#bf3989", "#9a6700", "#57606a", "#0598bc"]
START, STOP = COLOURS[1], COLOURS[0]

plt.rcParams.update(
    {
        # A card of its own colour: to be read on a light page and on a dark one.
        "figure.facecolor": "#ffffff",
        "axes.facecolor": "#ffffff",
        "axes.edgecolor": PALE,
        "axes.labelcolor": GREY,
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": INK,
        "axes.grid": True,
        "grid.color": "#eaeef2",
        "axes.axisbelow": True,
        "font.size": 9,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "legend.frameon": False,
        "legend.fontsize": 8,
        "text.color": INK,
        "xtick.color": GREY,
        "ytick.color": GREY,
        # Letters stay letters, and the same numbers give the same file.
        "svg.fonttype": "none",
        "svg.hashsalt": "workspace-autobuild",
    }
)


def save(figure, name):
    """Writes a picture, with no more digits than one can see."""
    path = PROJECT / "docs/pictures" / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = path.read_text().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, Arial, sans-serif")
    text = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.1f}", text)
    # What only an editor of drawings would look at.
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="\w+">', "<g>", text)
    text = re.sub(r' transform="rotate\(-0[^"]*"', "", text)
    text = named_styles(text)
    lines = (line.strip() for line in text.splitlines())
    path.write_text("\n".join(line for line in lines if line) + "\n")
    print(f"{path.relative_to(PROJECT)}: {path.stat().st_size // 1024} kB")


def named_styles(text):
    """Says once what is said hundreds of times."""
    count = collections.Counter(re.findall(r' style="([^"]+)"', text))
    names = {style: f"s{n}" for n, (style, times) in enumerate(count.most_common()) if times > 1}
    rules = "".join(f".{name} {{{style}}}\n" for style, name in names.items())
    text = re.sub(
        r' style="([^"]+)"',
        lambda found: f' class="{names[found[1]]}"' if found[1] in names else found[0],
        text,
    )
    return text.replace("</style>", rules + "</style>", 1)


def cost():
    """What a tick, a storm and the product's own writes cost, of bench/results.json."""
    lines = json.loads((PROJECT / "bench/results.json").read_text())["results"]

    def of(what, how, workspaces=100_000):
        for line in lines:
            if (line["what"], line["how"], line["workspaces"]) == (what, how, workspaces):
                return line["median"]
        raise SystemExit(f"bench/results.json has no {what}, {how}, {workspaces}")

    figure, (idle, storm, writes) = plt.subplots(
        1, 3, figsize=(11, 3.6), width_ratios=[1.15, 1.1, 1], layout="constrained"
    )
    sizes = [10_000, 100_000, 1_000_000]
    labels = {
        "2023's shape": "an executor outside",
        "scan": "by scan",
        "agenda": "with the agenda",
    }
    for (how, label), colour in zip(labels.items(), [GREY, START, STOP]):
        times = [of("idle tick", how, size) for size in sizes]
        idle.plot(sizes, times, marker="o", color=colour)
        idle.annotate(
            label, (sizes[-1], times[-1]), xytext=(2, 8), textcoords="offset points", color=colour, ha="right"
        )
    idle.set(xscale="log", yscale="log", ylim=(0.2, 600_000), xlim=(7_000, 1_600_000))
    idle.set_xticks(sizes, ["10,000", "100,000", "1,000,000"])
    idle.set_yticks([1, 10, 100, 1_000, 10_000, 100_000], ["1 ms", "10 ms", "0.1 s", "1 s", "10 s", "100 s"])
    idle.minorticks_off()
    idle.set_title("A tick with nothing to do")
    idle.set_xlabel("workspaces")

    what = "storm of 10000"
    bars = [
        ("the bare rows", of(what, "floor"), PALE),
        ("with the agenda", of(what, "agenda"), STOP),
        ("by scan", of(what, "scan"), START),
        ("outside, on the socket", of(what, "2023's shape"), GREY),
        ("outside, 0.5 ms away", of(what, "2023's shape, 0.5 ms away"), GREY),
    ]
    horizontal(storm, [(name, ms / 1000, colour) for name, ms, colour in bars], "{:.1f} s")
    storm.set_title("10,000 builds due at once, of 100,000")
    storm.set_xlabel("seconds")

    names = ["last used", "deadline bump", "job heartbeat", "build insert"]
    for n, (how, colour) in enumerate([("without", PALE), ("with", STOP)]):
        times = [of(f"capture: {name}", how) for name in names]
        places = [place + (n - 0.5) * 0.36 for place in range(len(names))]
        writes.barh(places, times, height=0.34, color=colour, label=f"{how} triggers")
        for place, microseconds in zip(places, times):
            writes.text(microseconds + 4, place, f"{microseconds:.0f}", va="center", fontsize=8)
    writes.set_yticks(range(len(names)), names)
    writes.invert_yaxis()
    writes.grid(axis="y", visible=False)
    writes.set_xlim(0, 290)
    writes.set_title("The product's hottest writes")
    writes.set_xlabel("µs a statement")
    writes.legend(loc="center right", bbox_to_anchor=(1.03, 0.62), handlelength=1)
    save(figure, "cost")


def horizontal(axes, bars, label):
    """Bars with their names on the left and their values behind them."""
    names, values, colours = zip(*bars)
    axes.barh(range(len(bars)), values, height=0.6, color=colours)
    for place, value in enumerate(values):
        axes.text(value + max(values) * 0.015, place, label.format(value), va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, max(values) * 1.15)


def day(record, folder):
    """Builds per minute and running workspaces over a day."""
    recorded = folder / "day.json"
    if not recorded.exists():
        recorded.write_text(subprocess.run([record, "day"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    data = json.loads(recorded.read_text())
    minutes = data["minutes"]
    starts, stops = ([minute[what] for minute in minutes] for what in ("start", "stop"))
    figure, (builds, running) = plt.subplots(
        2, 1, figsize=(11, 4.2), sharex=True, height_ratios=[2.2, 1], layout="constrained"
    )
    bars(builds, starts, START, "starts")
    bars(builds, [-count for count in stops], STOP, "stops")
    builds.axhline(0, color=PALE, linewidth=0.8)
    builds.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    total = sum(starts), sum(stops)
    builds.set_title(
        f"Builds per minute: {total[0]:,} starts, {total[1]:,} stops of {data['workspaces']:,} workspaces"
    )
    builds.legend(loc="upper left", ncols=2)
    running.fill_between(range(0, len(minutes), 5), [m["running"] for m in minutes[::5]], color=STOP, alpha=0.25, linewidth=0)
    running.set_title("Workspaces that run")
    running.set_ylim(0)
    running.set_xlim(0, len(minutes))
    running.set_xticks(range(0, len(minutes) + 1, 180), [f"{hour:02}:00" for hour in range(0, 25, 3)])
    running.set_xlabel("UTC")
    save(figure, "day")


def bars(axes, values, colour, label):
    """A bar for each value that isn't 0, all as one line: thousands of shapes are slow."""
    xs, ys = [], []
    for x, y in enumerate(values):
        if y:
            xs += [x, x, float("nan")]
            ys += [0, y, float("nan")]
    axes.plot(xs, ys, color=colour, linewidth=1, solid_capstyle="butt", label=label)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, path, **arguments):
    """What Prometheus answers; None while it isn't up."""
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    try:
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return None


def live(record, folder):
    """Lets workspaces live under the eyes of Prometheus, and asks the dashboard's queries."""
    programs = PROJECT / "target/monitoring/usr/bin"
    monitoring = PROJECT / "monitoring"
    exporter, prometheus = free_port(), free_port()
    life = subprocess.Popen([record, "life", str(SECONDS)], stdout=subprocess.PIPE, text=True)
    started = [life]
    try:
        host, port, database = life.stdout.readline().split()
        source = f"user=prometheus dbname={database} host={host} port={port} sslmode=disable"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(
            subprocess.Popen(
                [
                    programs / "prometheus-postgres-exporter",
                    f"--web.listen-address=127.0.0.1:{exporter}",
                    f"--extend.query-path={monitoring / 'queries.yaml'}",
                ],
                env={"DATA_SOURCE_NAME": source},
                **quiet,
            )
        )
        configuration = folder / "prometheus.yml"
        configuration.write_text(
            "global: {scrape_interval: 2s, scrape_timeout: 2s}\n"
            "scrape_configs: [{job_name: postgres, static_configs: "
            f"[{{targets: ['127.0.0.1:{exporter}']}}]}}]\n"
        )
        started.append(
            subprocess.Popen(
                [
                    programs / "prometheus",
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={folder / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{prometheus}",
                ],
                **quiet,
            )
        )
        while life.poll() is None and not ask(
            prometheus, "query", query="workspace_autobuild_up == 1"
        ):
            time.sleep(1)
        begun = time.time()
        life.wait()
        ended = time.time()
        panels = json.loads((monitoring / "dashboard.json").read_text())["panels"]
        for panel in panels:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "30s").replace("$database", ".+")
                target["series"] = ask(
                    prometheus, "query_range", query=query, start=begun, end=ended - 4, step=STEP
                )
        return {"database": database, "begun": begun, "seconds": ended - begun, "panels": panels}
    finally:
        for process in started:
            process.kill()
            process.wait()


def dashboard(record, folder):
    """The dashboard's panels, as its queries were answered."""
    recorded = folder / "dashboard.json"
    if not recorded.exists():
        recorded.write_text(json.dumps(live(record, folder)))
    data = json.loads(recorded.read_text())
    panels = data["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(12, rows * 0.29))
    for panel in panels:
        place = panel["gridPos"]
        margin = 0.034
        box = [
            place["x"] / 24 + margin,
            1 - (place["y"] + place["h"]) / rows + 0.016,
            place["w"] / 24 - margin - 0.012,
            place["h"] / rows - 0.043,
        ]
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], fontsize=7.6)
        (stat if panel["type"] == "stat" else series)(axes, panel, data)
    save(figure, "dashboard")


def legend(target, labels, database):
    """A series' name, as Grafana makes it, without the database: there is but one."""
    text = re.sub(r"\{\{ *(\w+) *\}\}", lambda name: labels.get(name[1], ""), target.get("legendFormat", ""))
    return text.replace(f"{database}:", "").replace(database, "").strip() or database


def stat(axes, panel, data):
    axes.axis("off")
    texts = []
    found = [series for target in panel["targets"] for series in target["series"]]
    newest = max((series["values"][-1][0] for series in found), default=0)
    for target in panel["targets"]:
        for found in target["series"]:
            if found["values"][-1][0] < newest:
                continue
            name = legend(target, found["metric"], data["database"])
            value = float(found["values"][-1][1])
            if panel.get("options", {}).get("textMode") == "name":
                texts = [name]
            else:
                name = "" if name in (data["database"], panel["title"].lower()) else f" {name}"
                texts.append(f"{value:.3g}{name}")
    axes.text(0.02, 0.45, ", ".join(texts), fontsize=10.5, color=STOP, va="center", transform=axes.transAxes)


def series(axes, panel, data):
    for target in panel["targets"]:
        for found in target["series"]:
            times, values = [], []
            for at, value in found["values"]:
                at = (float(at) - data["begun"]) / 60
                # Where there was no value there is no line.
                if times and at - times[-1] > 1.5 * STEP / 60:
                    times.append(at)
                    values.append(float("nan"))
                if values[-2:] == [float(value)] * 2:
                    times[-1] = at
                    continue
                times.append(at)
                values.append(float(value))
            axes.plot(times, values, linewidth=1.1, label=legend(target, found["metric"], data["database"]))
    axes.set_xlim(0, data["seconds"] / 60)
    axes.tick_params(labelsize=7, length=2)
    axes.margins(y=0.12)
    if axes.lines:
        # Room for the legend.
        axes.set_ylim(min(0, axes.dataLim.ymin), axes.dataLim.ymax * 1.35 or 1)
        axes.locator_params(axis="y", nbins=5)
        axes.legend(fontsize=6, loc="upper left", ncols=2, handlelength=1.2, columnspacing=1, labelspacing=0.3)


def main():
    record, folder = sys.argv[1], Path(sys.argv[2])
    pictures = {
        "cost": cost,
        "day": lambda: day(record, folder),
        "dashboard": lambda: dashboard(record, folder),
    }
    for name in sys.argv[3:] or pictures:
        pictures[name]()


if __name__ == "__main__":
    main()
