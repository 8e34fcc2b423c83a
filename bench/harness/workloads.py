"""What is measured: every workload as data."""

from dataclasses import dataclass
from typing import Callable, Optional


@dataclass(frozen=True)
class Target:
    """What a figure should be. `ratio`: at most so many times the first contender's; `plus`: at
    most so much above it; `most` and `least`: a bound of its own."""
    kind: str
    bound: float

    def __str__(self):
        return {"ratio": f"<= {self.bound:g} x", "plus": f"<= + {self.bound:g}",
                "most": f"<= {self.bound:g}", "least": f">= {self.bound:g}"}[self.kind]

    def met(self, value, first):
        if self.kind == "most":
            return value <= self.bound
        if self.kind == "least":
            return value >= self.bound
        if first is None:
            return True
        return value <= (first * self.bound if self.kind == "ratio" else first + self.bound)


@dataclass(frozen=True)
class Figure:
    """A number of a run that is shown, and what it should be."""
    text: str
    value: Callable
    target: Optional[Target] = None

    def aim(self, kind, bound):
        return Figure(self.text, self.value, Target(kind, bound))


def field(text, name):
    return Figure(text, lambda run: run[name])


PER_GB = Figure("CPU s/GB, both ends", lambda r: r["cpu_gb_client"] + r["cpu_gb_server"])
PER_DATAGRAM = field("CPU us/datagram, both ends", "cpu_us_datagram")
GBIT = field("Gbit/s delivered", "gbit")
KPPS = field("1000/s delivered", "kpps")
MEDIAN = field("median round trip us", "median_us")
P99 = field("p99 round trip us", "p99_us")
WORST = field("longest round trip us", "max_us")
LIGHT_P99 = field("light session: p99 round trip us", "light_p99_us")
LIGHT_MEDIAN = field("light session: median round trip us", "light_median_us")
LIGHT_LOSS = field("light session: loss %", "light_loss")
DELAY = field("median one-way delay us", "delay_median_us")
DELAY_P99 = field("p99 one-way delay us", "delay_p99_us")
RUN_LENGTH = field("datagrams a segment written", "run_length")
WAKES = field("wake-ups/s, both ends", "wakes_s")


@dataclass(frozen=True)
class Contender:
    """Who runs a workload: `tonel`, `limit`, or `none` (no tunnel at all)."""
    name: str
    program: str
    options: tuple = ()
    send: Optional[str] = None  # in place of the workload's


LIMIT = Contender("limit", "limit")
TONEL = Contender("tonel", "tonel")
NONE = Contender("no tunnel", "none")
# What rests give is seen against tonel itself.
OFF = Contender("no rests", "tonel", ("--coalesce-us", "0"))
AUTO = Contender("auto", "tonel", ("--coalesce-us", "auto"))


@dataclass(frozen=True)
class Workload:
    """One row, or several with more than one figure. The first contender is what the others are
    compared with. `kind` names the function that measures it (harness/measure.py)."""
    name: str
    group: str
    load: str
    kind: str
    send: str
    figures: tuple
    contenders: tuple = (LIMIT, TONEL)
    options: tuple = ()  # of tonel
    reverse: bool = False  # server to client
    offloads: bool = True
    ipv6: bool = False
    sessions: int = 0
    rate: str = ""  # of the sender, where the measuring adds it


GROUPS = {
    "limit": "Against the hand-written loop",
    "flat": "As fast as it goes",
    "senders": "Other senders",
    "ways": "Other ways: server to client, IPv6, XOR",
    "rests": "Resting between wake-ups",
    "overload": "Twice the load that fits",
    "sessions": "Sessions",
    "storms": "Storms of new sessions",
}

SENDERS = ("smooth", "4", "16", "64")
# The sender of batch, small, mixed and plain, if no other is asked for.
MAIN_SENDER = "smooth"


def sender_words(sender):
    return "--single --spin" if sender == "smooth" else f"--mmsg --batch {sender}"


def sender_text(sender):
    return "one by one" if sender == "smooth" else f"sendmmsg of {sender}"


def against_limit(sender):
    how, text = sender_words(sender), sender_text(sender)
    return [
        Workload("bulk", "limit", "1400 B, UDP GSO, 3 Gbit/s", "stream",
                 "--gso --size 1400 --rate-bps 3G", (PER_GB.aim("ratio", 1.15),)),
        Workload("batch", "limit", f"1400 B, {text}, 1 Gbit/s", "stream",
                 f"{how} --size 1400 --rate-bps 1G", (PER_GB.aim("ratio", 0.7),)),
        Workload("small", "limit", f"200 B, {text}, 80,000/s", "stream",
                 f"{how} --size 200 --rate-pps 80k", (PER_DATAGRAM.aim("ratio", 0.75),)),
        Workload("mixed", "limit", f"100-1400 B, {text}, 80,000/s", "stream",
                 f"{how} --sizes 100-1400 --rate-pps 80k", (PER_DATAGRAM.aim("ratio", 1),)),
        Workload("plain", "limit", f"1400 B, {text}, 500 Mbit/s, veth without offloads", "stream",
                 f"{how} --size 1400 --rate-bps 500M", (PER_GB.aim("ratio", 1),), offloads=False),
        Workload("echo", "limit", "64 B, one in flight", "echo", "--count 1000000000 --size 64",
                 (MEDIAN.aim("plus", 20), P99.aim("ratio", 2))),
        Workload("light", "limit", "200 B, one by one, 1,000/s", "stream",
                 "--single --size 200 --rate-pps 1k", (PER_DATAGRAM.aim("ratio", 1.3),)),
        Workload("quiet", "limit", "one session, silent", "quiet", "",
                 (WAKES.aim("most", 0),), options=("--keepalive", "0")),
    ]


def flat_out():
    all_three = (NONE, LIMIT, TONEL)
    return [
        Workload("bulk-flat", "flat", "1400 B, UDP GSO", "stream", "--gso --size 1400",
                 (GBIT.aim("least", 8),), all_three),
        Workload("batch-flat", "flat", "1400 B, sendmmsg of 64", "stream", "--mmsg --size 1400",
                 (GBIT.aim("least", 1.8),), all_three),
        Workload("small-flat", "flat", "200 B, sendmmsg of 64", "stream", "--mmsg --size 200",
                 (KPPS.aim("least", 180),), all_three),
    ]


def other_senders():
    rows = []
    for sender in SENDERS:
        how, text = sender_words(sender), sender_text(sender)
        rows.append(Workload(f"batch-{sender}", "senders", f"1400 B, {text}, 1 Gbit/s", "stream",
                             f"{how} --size 1400 --rate-bps 1G", (PER_GB,)))
    for sender in SENDERS:
        how, text = sender_words(sender), sender_text(sender)
        rows.append(Workload(f"small-{sender}", "senders", f"200 B, {text}, 80,000/s", "stream",
                             f"{how} --size 200 --rate-pps 80k", (PER_DATAGRAM,)))
    return rows


def other_ways(base):
    """Variants of bulk, batch and small. The limit knows neither IPv6 nor XOR: beside those stands
    what it takes without."""
    rows = []
    for row in base:
        if row.name not in ("bulk", "batch", "small"):
            continue
        figures = tuple(Figure(f.text, f.value) for f in row.figures)
        common = dict(kind=row.kind, send=row.send, figures=figures, contenders=row.contenders)
        rows += [
            Workload(f"{row.name}-s2c", "ways", f"{row.load}, server to client", reverse=True,
                     **common),
            Workload(f"{row.name}-ipv6", "ways", f"{row.load}, IPv6 (limit: IPv4)", ipv6=True,
                     **common),
            Workload(f"{row.name}-xor", "ways", f"{row.load}, XOR (limit: none)",
                     options=("--encryption", "xor:bench"), **common),
        ]
    return rows


def rests():
    rows = []
    for sender in ("smooth", "16"):
        for rate, text in (("1M", "1 Mbit/s"), ("10M", "10 Mbit/s"), ("100M", "100 Mbit/s"),
                           ("1G", "1 Gbit/s")):
            rows.append(Workload(
                f"rest-{rate}-{sender}", "rests", f"1400 B, {sender_text(sender)}, {text}",
                "delay", f"{sender_words(sender)} --size 1400 --rate-bps {rate}",
                (PER_GB, RUN_LENGTH, DELAY, DELAY_P99), (OFF, AUTO)))
    for sender in ("smooth", "16"):
        rows.append(Workload(
            f"beside-{sender}", "rests",
            f"echo of 64 B, 50/s, beside 1400 B, {sender_text(sender)}, 1 Gbit/s", "beside",
            f"{sender_words(sender)} --size 1400 --rate-bps 1G",
            (LIGHT_P99.aim("plus", 200), LIGHT_MEDIAN, PER_GB), (OFF, AUTO)))
    return rows


def overloads():
    rows = []
    for name, load, send in (("batch", "1400 B, sendmmsg of 64", "--mmsg --size 1400"),
                             ("bulk", "1400 B, UDP GSO", "--gso --size 1400")):
        common = dict(send=send, contenders=(TONEL,))
        figures = (field("delivered, of the peak", "of_peak").aim("least", 0.9),
                   field("offered, of the peak", "offered_of_peak"),
                   field("% of the losses at the first queue", "first_queue").aim("least", 99))
        rows += [
            Workload(f"overload-{name}", "overload", f"{load}; light session in its own tunnel",
                     "overload", figures=(*figures, LIGHT_P99.aim("most", 5000), LIGHT_LOSS),
                     **common),
            Workload(f"overload-{name}-same", "overload", f"{load}; light session beside it",
                     "overload_same", figures=(*figures, LIGHT_P99.aim("most", 20000), LIGHT_LOSS),
                     **common),
        ]
    return rows


def many_sessions():
    rate = "--single --size 200 --rate-pps 40k"
    return [
        Workload("many", "sessions", "200 B, 40,000/s in all", "stream", rate,
                 (PER_DATAGRAM.aim("ratio", 1.5),),
                 (Contender("1 session", "tonel"),
                  Contender("2,000 sessions", "tonel", send=f"{rate} --sources 2000"))),
        Workload("many-limit", "sessions", "200 B, 40,000/s in all, by the limit", "stream", rate,
                 (PER_DATAGRAM,),
                 (Contender("1 session", "limit"),
                  Contender("2,000 sessions", "limit", send=f"{rate} --sources 2000"))),
        Workload("idle", "sessions", "15,000 sessions, silent", "idle", "",
                 (field("server KiB/session", "kib_session").aim("most", 6),
                  WAKES.aim("most", 0)), options=("--keepalive", "0", "--max-sessions-per-source", "65536"),
                 sessions=15000),
        Workload("churn", "sessions", "2,000 sessions/s opened and closed, each 1 s", "churn", "",
                 (P99.aim("most", 5000), WORST, field("sessions opened/s", "opened_s"),
                  field("first datagrams without an answer %", "unanswered")), (TONEL,),
                 options=("--idle-timeout", "1"), sessions=2000),
        Workload("close-all", "sessions", "2,000 sessions end at once", "close_all", "",
                 (P99.aim("most", 5000), WORST, field("sessions that ended", "ended")), (TONEL,),
                 options=("--idle-timeout", "3"), sessions=2000),
    ]


def storms():
    """More new sessions than fit. Two cores open 2,000 to 8,000 a second, so 2,000 are to be done of what
    is more, and the established session is not to suffer."""
    rows = []
    for rate in (2000, 4000, 8000, 16000):
        quick = field("first answers within 250 ms a second", "quick_s").aim("least", 1800)
        rows.append(Workload(
            f"storm-{rate // 1000}k", "storms", f"{rate:,} new sessions/s, then 100/s", "storm", "",
            (quick, field("first answers within 250 ms %", "quick_share"),
             field("first answers within 1 s %", "second_share"),
             field("first answers a second", "answered_s"),
             field("established session: p99 us", "p99_us").aim("most", 10000),
             field("established session: loss %", "loss").aim("most", 0.1),
             field("normal after the storm, s", "normal_s").aim("most", 1)), (TONEL,),
            options=("--idle-timeout", "1"), sessions=rate))
    return rows


def catalogue(sender=MAIN_SENDER):
    main = against_limit(sender)
    rows = [*main, *flat_out(), *other_senders(), *other_ways(main), *rests(), *overloads(),
            *many_sessions(), *storms()]
    return {row.name: row for row in rows}


# One of each kind of measuring and of each way through a tunnel, for a run that only shows that all
# of it works.
QUICK = ("bulk,batch,echo,quiet,small-flat,small-4,batch-s2c,bulk-ipv6,small-xor,rest-10M-smooth,"
         "beside-16,overload-batch,overload-bulk-same,idle,churn,storm-4k,close-all").split(",")


def chosen(words, rows):
    """Names of workloads and of groups, or `all`, as workloads in the order of the catalogue."""
    wanted = set()
    for word in words.split(","):
        found = [n for n, row in rows.items() if word in ("all", n, row.group)]
        if not found:
            raise KeyError(word)
        wanted.update(found)
    return [row for name, row in rows.items() if name in wanted]
