"""Tables and remarks from the numbers of the runs."""

import statistics

from harness.workloads import GROUPS

# Below these the hand-written loop itself is hampered, and a ratio to it means nothing.
LIMIT_FLOOR = {"bulk-flat": ("gbit", 7), "batch-flat": ("gbit", 1.5), "small-flat": ("kpps", 140)}
# A fixed rate is one that fits: this much of it may be lost, in percent.
MOST_LOSS = 0.1
HEAD = ["workload", "load", "what", "Gbit/s", "1000/s", "loss %", "client", "server", "figure",
        "min", "median", "max", "ratio (min, max)", "target"]


def short(value, digits=3):
    return f"{value:.{digits}g}" if abs(value) < 10 ** digits else f"{value:,.0f}"


def spread(values):
    return [short(v) for v in (min(values), statistics.median(values), max(values))]


def middle(runs, key, digits=3):
    values = [run[key] for run in runs if key in run]
    return short(statistics.median(values), digits) if values else ""


def ratios(figure, runs, firsts):
    """Of the runs of one round each: a slow minute then hits both sides."""
    by_round = {run["round"]: figure.value(run) for run in firsts}
    return [figure.value(run) / by_round[run["round"]] for run in runs
            if by_round.get(run["round"])]


def rows_of(workload, results):
    """The lines of one workload: each contender, each figure."""
    first = workload.contenders[0].name
    firsts = results.get(first, [])
    lines = []
    for contender in workload.contenders:
        runs = results.get(contender.name, [])
        for number, figure in enumerate(workload.figures if runs else ()):
            values = [figure.value(run) for run in runs]
            against = [] if contender.name == first else ratios(figure, runs, firsts)
            ratio = "{1} ({0}, {2})".format(*spread(against)) if against else ""
            named = [workload.name if not lines else "", workload.load if not lines else "",
                     contender.name if number == 0 else ""]
            costs = [middle(runs, "gbit"), middle(runs, "kpps"), middle(runs, "loss", 2),
                     middle(runs, "cpu_gb_client"), middle(runs, "cpu_gb_server")]
            lines.append([*named, *(costs if number == 0 else [""] * 5), figure.text,
                          *spread(values), ratio,
                          verdict(workload, contender, figure, values, firsts)])
    return lines


def verdict(workload, contender, figure, values, firsts):
    target = figure.target
    judged = contender.program == "tonel" and (contender != workload.contenders[0]
                                               or len(workload.contenders) == 1)
    if not target or not judged:
        return ""
    base = statistics.median(map(figure.value, firsts)) if firsts else None
    met = target.met(statistics.median(values), base)
    return f"{target}" if met else f"{target} **missed**"


def table(workloads, results):
    """One Markdown table."""
    rows = [line for workload in workloads if workload.name in results
            for line in rows_of(workload, results[workload.name])]
    lines = [HEAD, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    lines.insert(1, ["-" * w for w in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |"
                     for line in lines)


def markdown(data, catalogue, level="##"):
    """All of a result: a section a group, what was measured where, and the remarks."""
    parts = [f"{data['date']}, {data['host']}; {data['rounds']} rounds of {data['seconds']:g} s, "
             f"{data['version']}."]
    for group, title in GROUPS.items():
        workloads = [w for w in catalogue.values() if w.group == group and
                     w.name in data["results"]]
        if workloads:
            parts += [f"{level} {title}", table(workloads, data["results"])]
    if data["remarks"]:
        parts += [f"{level} Remarks", "\n".join("- " + remark for remark in data["remarks"])]
    return "\n\n".join(parts) + "\n"


def remarks(results, catalogue):
    """What a reader of the table must know: a hampered limit, damaged datagrams, a busy machine."""
    found = []
    for name, (key, floor) in LIMIT_FLOOR.items():
        for run in results.get(name, {}).get("limit", []):
            if run[key] < floor:
                found.append(f"VOID: the limit's {name} is {run[key]:.3g}, below {floor}")
    busy = []
    for name, by_contender in results.items():
        for contender, runs in by_contender.items():
            others = statistics.median([run.get("other_cpus", 0) for run in runs])
            if others > 0.5:
                busy.append(f"{name}, {contender} ({others:.1f})")
            found += [f"{name}, {contender}: {text}" for text in
                      remarks_of(catalogue[name], contender, runs)]
    if busy:
        found.append(f"CPUs that were busy with something else: {'; '.join(busy)}")
    return found


def remarks_of(workload, contender, runs):
    name = workload.name
    flat, over = workload.group == "flat", workload.group == "overload"
    for key, text in (("damaged", "damaged datagrams"), ("duplicates", "duplicates"),
                      ("invalid", "packets invalid to a tracker"),
                      ("sink_drops", "datagrams dropped at the sink's socket"),
                      ("tunnel_drops", "messages dropped at a socket of the tunnel's")):
        total = sum(run.get(key, 0) for run in runs)
        if total and not (key.endswith("_drops") and (flat or over)):
            yield f"{total} {text}"
    if not over and max((run.get("behind", 0) for run in runs), default=0) > 0.2:
        yield "the sender could not keep its rate"
    lost = statistics.median([run.get("loss", 0) for run in runs])
    if workload.kind in ("stream", "delay", "beside") and not flat and lost > MOST_LOSS:
        yield f"loss {lost:.2g} %, more than {MOST_LOSS} %"
    if over and min(run["offered_of_peak"] for run in runs) < 1.8:
        yield "the sender could not offer twice the peak"
