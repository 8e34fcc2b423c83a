#include "bench/traffic/commands.hpp"

#include <cstdio>

namespace {

constexpr auto help =
    R"(tonel-traffic: UDP datagrams with numbers and known contents, sent and checked

tonel-traffic send HOST:PORT     sends; prints one JSON object at the end
  --size N             size of each datagram (default 1400)
  --sizes A-B | A,B,C  sizes at random between A and B | in turn from a list
  --single             one system call a datagram (default)
  --mmsg | --gso       many a call: sendmmsg | UDP_SEGMENT (equal sizes only are merged)
  --batch N            datagrams a burst of --mmsg or --gso (default 64, at most 1024)
  --rate-bps R | --rate-pps R    suffixes k, M, G; default: as fast as it goes
  --spin               waits busily for the next burst: on time to the microsecond, for a whole core
  --stamp              datagrams of 40 bytes and more say when they were made: a sink on the same
                       machine then tells how long they took
  --count N | --bytes N | --seconds S    when to stop (default: SIGINT or SIGTERM)
  --sources N          sockets that send in turn, each a stream of its own (default 1)
  --bind ADDR:PORT     local address; with --sources N the ports PORT .. PORT+N-1
  --all-at-end         one more datagram on each socket at the end, all at once
  --serve              HOST:PORT is its own: waits for a datagram there, and sends to whom it is from
  --seed N             of the contents and the random sizes (default: from the clock)
  --expect-echo        also checks what comes back on the sockets: "echo" in the JSON
  --linger-ms N        how long an echo may be silent before it is over (default 500)

tonel-traffic sink ADDR:PORT     receives and checks; prints one JSON object at the end
  --seconds S          stop so long after the start
  --count N            stop after so many datagrams
  --idle-ms N          stop when nothing has come for so long after the first datagram
  --per-source         also a list with an object per stream
  --no-gro             one datagram a message
  --coalesce-us N      pause after a wake-up that found several datagrams (default 200)
  --request HOST:PORT  asks a sender with --serve there, until it sends
  also stops at SIGINT and SIGTERM; says "listening ADDR:PORT" on stderr when it does

tonel-traffic echo ADDR:PORT     sends every datagram back; --seconds, --no-gro as above

tonel-traffic ping HOST:PORT     one datagram in flight; the other end is an echo
  --count N            (default 1000)      --size N          (default 64)
  --timeout-ms N       wait for an answer (default 1000)
  --interval-us N      between an answer and the next datagram (default 0)
  --first              stop at the first answer
  --seconds S          stop after so long
  exit code 1 if no answer came

tonel-traffic churn HOST:PORT    sockets that come and go; the other end is an echo
  --rate-pps R         sockets opened a second (default 1000), each sends one datagram at once
  --life-ms N          how long each stays open (default 1000)
  --seconds S          for how long new ones are opened (default 10)
  --calm-seconds S     for how long after that some are still opened (default 0)
  --calm-pps R         and so many a second (default 100)
  --trace              also a list: when each opened (CLOCK_MONOTONIC) and how long its answer took,
                       both in microseconds, 0 where none came

tonel-traffic pulse HOST:PORT    datagrams at equal intervals, whether or not they are answered; the
                                 other end is an echo
  --interval-us N      (default 5000)      --size N          (default 64, at least 32)
  --seconds S          for how long (default 10); answers are awaited for 500 ms more
  --trace              as above, an entry a datagram

Sequence numbers: datagrams of 0 and 1 bytes carry none; 2 to 7 bytes carry the low 8 to 48 bits,
8 and more at least 48. "gaps" counts the numbers that did not come below the highest that did.
)";

} // namespace

int main(int argc, char** argv) {
  using namespace tonel::bench;
  const std::string command = argc > 1 ? argv[1] : "--help";
  const words rest(argv + (argc > 1 ? 2 : 1), argv + argc);
  if (command == "send") return run_send(rest);
  if (command == "sink") return run_sink(rest);
  if (command == "echo") return run_echo(rest);
  if (command == "ping") return run_ping(rest);
  if (command == "pulse") return run_pulse(rest);
  if (command == "churn") return run_churn(rest);
  const bool asked = command == "--help" || command == "-h" || command == "help";
  std::fputs(help, asked && argc > 1 ? stdout : stderr);
  return asked && argc > 1 ? 0 : 2;
}
