"""How each kind of workload is run; a run gives a flat dictionary of numbers."""

import time

from harness.processes import Failure, machine_cpu, pass_time, reaped_cpu
from harness.topology import Topology
from harness.tunnels import Tunnel

LIGHT_OCTETS = 64
LIGHT = ["--size", str(LIGHT_OCTETS), "--interval-us", "20000", "--timeout-ms", "500", "--count",
         "1000000000"]
HEAD_START = 0.2


def measure(args, row, contender):
    """Runs one workload with one contender in namespaces of its own."""
    net = Topology(offloads=row.offloads)
    try:
        options = (*row.options, *contender.options)
        tunnel = Tunnel(net, args, contender.program).start(options, ipv6=row.ipv6)
        result = KINDS[row.kind](args, net, tunnel, row, contender)
        tunnel.check()
        result["invalid"] = net.invalid()
        return result
    finally:
        net.close()


class Meter:
    """CPU time of both ends and of the machine, from its making on."""

    def __init__(self, tunnel):
        self.tunnel = tunnel
        self.started = time.monotonic()
        self.before = machine_cpu(), *tunnel.cpu(), reaped_cpu()

    def read(self, octets, datagrams, helpers=0):
        """The costs a gigabyte and a datagram. `helpers` is the CPU time of programs of the harness
        that still run: what is left after those, the ends and the machine's total is none of
        ours, or interrupts on our behalf."""
        after = machine_cpu(), *self.tunnel.cpu(), reaped_cpu()
        took = time.monotonic() - self.started
        machine, client, server, reaped = (b - a for a, b in zip(self.before, after))
        giga = octets / 1e9
        return dict(cpu_gb_client=client / giga, cpu_gb_server=server / giga,
                    cpu_gb_machine=machine / giga,
                    cpu_us_datagram=1e6 * (client + server) / datagrams,
                    other_cpus=(machine - client - server - reaped - helpers) / took)


def flow(args, net, tunnel, send, seconds, reverse=False, sink_words=()):
    """Sends through the tunnel as `send` says, and gives what the sender and the sink printed."""
    send, seconds = send.split(), ["--seconds", str(seconds)]
    sink_words = ["--idle-ms", "300", *sink_words]
    name = f"-{len(net.processes)}"
    if reverse:
        sender = net.start(net.server, [args.traffic, "send", tunnel.upstream, "--serve", *send,
                                        *seconds], "sender" + name)
        sender.await_listening()
        sink = net.start(net.client, [args.traffic, "sink", "127.0.0.1:0", "--request",
                                      tunnel.local, *sink_words], "sink" + name)
    else:
        sink = net.start(net.server, [args.traffic, "sink", tunnel.upstream, *sink_words],
                         "sink" + name)
        sink.await_listening()
        sender = net.start(net.client, [args.traffic, "send", tunnel.local, *send, *seconds],
                           "sender" + name)
    sent = sender.json(float(seconds[1]) + 15)
    seen = sink.json(5)
    tunnel.check()
    if not seen["received"]:
        raise Failure("nothing came through")
    return sent, seen


def lost_percent(sent, seen):
    """A datagram of the tunnel's first probe may arrive late, beside those that count."""
    return max(0, 100 * (1 - seen["received"] / max(sent["sent"], 1)))


def of_flow(sent, seen):
    """What a run says of the datagrams themselves."""
    took = max(seen["seconds"], 1e-9)
    result = dict(gbit=8e-9 * seen["bytes"] / took, kpps=1e-3 * seen["received"] / took,
                  loss=lost_percent(sent, seen),
                  damaged=seen["altered"] + seen["wrong_length"], duplicates=seen["duplicates"],
                  reordered=seen["reordered"], sink_drops=seen["kernel_drops"],
                  behind=sent["behind_s"], late=sent["late_percent"])
    for key in ("delay_median_us", "delay_p99_us", "delay_max_us"):
        if key in seen:
            result[key] = seen[key]
    return result


class Written:
    """How many datagrams a segment, as it was written to the TUN device, has carried: what tonel
    counts at the sending end."""

    def __init__(self, tunnel, reverse):
        self.end = tunnel.server if reverse else tunnel.client
        self.counted = tunnel.program == "tonel"
        self.before = self.end.counters() if self.counted else {}

    def read(self):
        if not self.counted:
            return {}
        after = self.end.counters()
        taken, written = (after.get(key, 0) - self.before.get(key, 0)
                          for key in ("datagrams_in", "tun_segments_out"))
        return dict(run_length=taken / max(written, 1))


def stream(args, net, tunnel, row, contender, sink_words=(), more=""):
    written = Written(tunnel, row.reverse)
    meter = Meter(tunnel)
    sent, seen = flow(args, net, tunnel, (contender.send or row.send) + more, args.seconds,
                      row.reverse, sink_words)
    costs = meter.read(seen["bytes"], seen["received"])
    sockets = net.udp_drops(net.client) + net.udp_drops(net.server) - seen["kernel_drops"]
    return dict(of_flow(sent, seen), tunnel_drops=max(sockets, 0), **costs, **written.read())


def delay(args, net, tunnel, row, contender):
    """A stream whose datagrams tell how long they took, to a sink that does not rest either."""
    return stream(args, net, tunnel, row, contender, ("--coalesce-us", "0"), " --stamp")


def start_ping(args, net, tunnel, seconds, words, name="ping"):
    return net.start(net.client, [args.traffic, "ping", tunnel.local, *words, "--seconds",
                                  str(seconds)], name)


def start_light(args, net, tunnel, seconds):
    """A light session that is open before the load begins: what is asked is what load does to it,
    not whether a handshake gets through."""
    light = start_ping(args, net, tunnel, seconds + HEAD_START, LIGHT)
    pass_time(HEAD_START)
    return light


def of_ping(told, prefix=""):
    if "p99_us" not in told:
        raise Failure("no answer came")
    result = {prefix + key: told[key] for key in ("median_us", "p99_us", "max_us")}
    result[prefix + "loss"] = 100 * told["lost"] / max(told["sent"], 1)
    return result


def start_echo(args, net, port, name="echo"):
    echo = net.start(net.server, [args.traffic, "echo", f"127.0.0.1:{port}"], name)
    echo.await_listening()
    return echo


def echo(args, net, tunnel, row, contender):
    meter = Meter(tunnel)
    upstream = start_echo(args, net, tunnel.upstream_port)
    told = start_ping(args, net, tunnel, args.seconds, row.send.split()).json(args.seconds + 5)
    received = told["received"]
    return dict(of_ping(told), kpps=1e-3 * received / told["seconds"],
                **meter.read(LIGHT_OCTETS * max(received, 1), max(received, 1), upstream.cpu()))


def beside(args, net, tunnel, row, contender):
    """A light session beside a full one in the same tunnel, each with an upstream of its own."""
    light_port = tunnel.upstream_port + 1
    net.split_upstream(tunnel.upstream_port, light_port, LIGHT_OCTETS)
    start_echo(args, net, light_port)
    light = start_light(args, net, tunnel, args.seconds)
    result = stream(args, net, tunnel, row, contender)
    return dict(result, **of_ping(light.json(args.seconds + 5), "light_"))


def voluntary_wakes(args, tunnel):
    """Wake-ups of both ends while nothing happens."""
    pass_time(args.settle)  # acknowledgements and the like are still under way in the first seconds
    ends = [process for _, process in tunnel.ends]
    woken, cpu, start = sum(p.wakes() for p in ends), sum(tunnel.cpu()), time.monotonic()
    pass_time(args.seconds)
    took = time.monotonic() - start
    return dict(wakes_s=(sum(p.wakes() for p in ends) - woken) / took,
                cpu_percent=100 * (sum(tunnel.cpu()) - cpu) / took)


def quiet(args, net, tunnel, row, contender):
    return voluntary_wakes(args, tunnel)


def idle(args, net, tunnel, row, contender):
    """Opens many sessions, then looks at the ends while nothing happens."""
    sessions = args.scaled(row.sessions)
    memory = tunnel.server.status("VmRSS")
    sink = net.start(net.server, [args.traffic, "sink", tunnel.upstream, "--count", str(sessions),
                                  "--idle-ms", "4000"], "sink")
    sink.await_listening()
    sender = net.start(net.client, [args.traffic, "send", tunnel.local, "--size", "200",
                                    "--rate-pps", "3k", "--count", str(sessions), "--sources",
                                    str(sessions)], "sender")
    sent = sender.json(60)
    seen = sink.json(10)
    memory = tunnel.server.status("VmRSS") - memory
    return dict(kib_session=max(memory, 0) / max(seen["received"], 1), sessions=seen["sources"],
                loss=lost_percent(sent, seen), damaged=seen["altered"] + seen["wrong_length"],
                **voluntary_wakes(args, tunnel))


def many_ports(net):
    """Ports for as many connections as come, and trackers that forget soon those that are over: full of
    them, they drop what comes, and the tunnel would be blamed."""
    for namespace in (net.client, net.server):
        net.set(namespace, "ipv4.ip_local_port_range=1024 65535",
                "netfilter.nf_conntrack_tcp_timeout_time_wait=1",
                "netfilter.nf_conntrack_tcp_timeout_close=1",
                "netfilter.nf_conntrack_udp_timeout=3",
                "netfilter.nf_conntrack_udp_timeout_stream=3")


def churn(args, net, tunnel, row, contender):
    """Sessions come and go; an established one is asked for its round trips meanwhile."""
    many_ports(net)
    start_echo(args, net, tunnel.upstream_port)
    span = 2 if args.quick else max(20, args.seconds)
    rate = args.scaled(row.sessions)
    light = start_light(args, net, tunnel, span + 2)
    visitors = net.start(net.client, [args.traffic, "churn", tunnel.local, "--rate-pps", str(rate),
                                      "--life-ms", "1000", "--seconds", str(span)], "churn")
    came = visitors.json(span + 20)
    return dict(of_ping(light.json(span + 10)), opened_s=came["opened"] / span,
                unanswered=100 * came["unanswered"] / max(came["opened"], 1),
                first_median_us=came.get("median_us", 0), first_p99_us=came.get("p99_us", 0))


# What is normal: a new session's answer within this, the established one's within that (us).
FIRST_ANSWER, STEADY_ANSWER = 250_000, 10_000
STEADY_LOST = 500_000  # what takes longer counts as lost
CALM = 5  # seconds that are looked at after a storm


def share(part, whole):
    return 100 * part / max(whole, 1)


def answered(trace, within):
    return sum(0 < took <= within for _, took in trace)


def span_of(trace, begin, end=float("inf")):
    return [entry for entry in trace if begin <= entry[0] < end]


def normal_after(end, traces):
    """Seconds from `end` until no quarter of a second comes any more in which over a tenth of a
    trace's datagrams was late: a single one may be, on a machine that does other work, too."""
    window, normal = 250_000, 0
    for trace, within in traces:
        for number in range(int(CALM * 1e6 / window)):
            seen = span_of(trace, end + number * window, end + (number + 1) * window)
            if len(seen) - answered(seen, within) > len(seen) / 10:
                normal = max(normal, number + 1)
    return normal * window / 1e6


def storm(args, net, tunnel, row, contender):
    """New sessions at a rate that may be more than fits, then a few; beside them an established one
    that asks 200 times a second. How long each waited is told from the lists that both print."""
    many_ports(net)
    start_echo(args, net, tunnel.upstream_port)
    rate = args.scaled(row.sessions)
    # Each from a port of its own: more would not come back before the tunnel has forgotten them.
    span = min(2 if args.quick else args.seconds, 50000 / rate)
    calm = CALM + 0.5
    steady = net.start(net.client, [args.traffic, "pulse", tunnel.local, "--trace", "--seconds",
                                    str(span + calm + HEAD_START + 0.5)], "pulse")
    pass_time(HEAD_START)
    visitors = net.start(net.client, [args.traffic, "churn", tunnel.local, "--rate-pps", str(rate),
                                      "--life-ms", "1000", "--seconds", str(span), "--calm-seconds",
                                      str(calm), "--trace"], "churn")
    came = visitors.json(span + calm + 20)["trace"]
    told = steady.json(10)["trace"]
    begin = came[0][0]
    end = begin + span * 1e6
    first, beside = span_of(came, begin, end), span_of(told, begin, end)
    trips = sorted(took for _, took in beside if 0 < took <= STEADY_LOST)
    if not trips:
        raise Failure("the established session had no answer")
    quick = answered(first, FIRST_ANSWER)
    return dict(opened_s=len(first) / span, quick_share=share(quick, len(first)),
                second_share=share(answered(first, 1_000_000), len(first)),
                quick_s=quick / span, answered_s=answered(first, 1_000_000) / span,
                p99_us=trips[int(0.99 * (len(trips) - 1) + 0.5)], max_us=trips[-1],
                loss=share(len(beside) - len(trips), len(beside)),
                normal_s=normal_after(end, ((came, FIRST_ANSWER), (told, STEADY_ANSWER))))


def close_all(args, net, tunnel, row, contender):
    """Many sessions fall silent at one moment, and so end at one; another goes on."""
    many_ports(net)
    start_echo(args, net, tunnel.upstream_port)
    sessions = args.scaled(row.sessions)
    before = tunnel.client.counters()
    sender = net.start(net.client, [args.traffic, "send", tunnel.local, "--size", "200",
                                    "--rate-pps", str(sessions), "--count", str(sessions),
                                    "--sources", str(sessions), "--all-at-end", "--expect-echo"],
                       "sender")
    sender.json(20)
    lifetime = int(row.options[-1])
    light = start_ping(args, net, tunnel, lifetime + 1, LIGHT)
    told = light.json(lifetime + 10)
    after = tunnel.client.counters()
    opened, ended = (after.get(key, 0) - before.get(key, 0)
                     for key in ("streams_opened", "streams_ended"))
    return dict(of_ping(told), opened=opened, ended=ended)


class Losses:
    """Where datagrams are lost from now on, in the order in which they pass: what one place has
    passed on and the next has not seen, or says that it has dropped. The kernel's own counts are of
    messages and packets, which may be of many datagrams, and so only stand beside."""

    def __init__(self, net, tunnel):
        self.net, self.tunnel = net, tunnel
        self.before = self._now()

    def _now(self):
        net, device = self.net, self.tunnel.device
        now = dict(socket_messages=net.udp_drops(net.client),
                   client_tun_packets=net.device_drops(net.client, device),
                   wire_packets=net.device_drops(net.client, "wan")
                   + net.device_drops(net.server, "wan"),
                   server_tun_packets=net.device_drops(net.server, device))
        for name, end in (("client", self.tunnel.client), ("server", self.tunnel.server)):
            counters = end.counters()
            now[name + "_in"] = counters.get("datagrams_in", 0)
            now[name + "_out"] = counters.get("datagrams_out", 0)
            now[name + "_dropped"] = sum(value for key, value in counters.items()
                                         if "dropped" in key)
        return now

    def read(self, sent, seen, light=0):
        """`light` is how many datagrams another session has sent through the same tunnel, and got
        back."""
        d = {key: value - self.before[key] for key, value in self._now().items()}
        lost = dict(lost_client_socket=sent["sent"] + light - d["client_in"],
                    lost_client=d["client_dropped"],
                    lost_between=d["client_in"] - d["client_dropped"] - d["server_out"]
                    - d["server_dropped"],
                    lost_server=d["server_dropped"],
                    lost_sink=d["server_out"] - light - seen["received"])
        lost = {key: max(value, 0) for key, value in lost.items()}
        total = sum(lost.values())
        share = lost["lost_client_socket"] / total if total else 1
        return dict(lost, first_queue=100 * share,
                    **{key: value for key, value in d.items()
                       if key.endswith(("_messages", "_packets"))})


def peak(args, net, tunnel, send):
    """The most that is delivered a second, found by offering more and more. In Gbit/s."""
    span = 0.5 if args.quick else max(1, args.seconds / 3)
    offer, best, worse = 0.5, 0, 0
    while worse < 2 and offer < 60:
        sent, seen = flow(args, net, tunnel, f"{send} --rate-bps {offer:.3f}G", span)
        delivered = 8e-9 * seen["bytes"] / max(seen["seconds"], span)
        worse = worse + 1 if delivered < 1.02 * best else 0
        best = max(best, delivered)
        # Flat out already: a higher rate is none.
        if 8e-9 * sent["bytes"] / sent["seconds"] < 0.8 * offer:
            break
        offer *= 2 if args.quick else 1.4
    return best


def overload(args, net, tunnel, row, contender, same=False):
    best = peak(args, net, tunnel, row.send)
    if same:
        neighbour, light_port = tunnel, tunnel.upstream_port + 1
        net.split_upstream(tunnel.upstream_port, light_port, LIGHT_OCTETS)
    else:
        neighbour = Tunnel(net, args, "tonel", number=1).start()
        light_port = neighbour.upstream_port
    start_echo(args, net, light_port)
    losses = Losses(net, tunnel)
    light = start_light(args, net, neighbour, args.seconds)
    sent, seen = flow(args, net, tunnel, f"{row.send} --rate-bps {2 * best:.3f}G", args.seconds)
    told = light.json(args.seconds + 10)
    found = of_flow(sent, seen)
    offered = 8e-9 * sent["bytes"] / sent["seconds"]
    return dict(found, peak=best, of_peak=found["gbit"] / best, offered_of_peak=offered / best,
                **losses.read(sent, seen, told["sent"] if same else 0), **of_ping(told, "light_"))


def overload_same(args, net, tunnel, row, contender):
    return overload(args, net, tunnel, row, contender, same=True)


KINDS = {f.__name__: f for f in (stream, delay, echo, beside, quiet, idle, churn, storm,
                                 close_all, overload, overload_same)}
