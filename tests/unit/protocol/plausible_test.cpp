#include "protocol/plausible.hpp"
#include "protocol/stream.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;

// How likely a packet counts whose sender knows the addresses and ports, and sees nothing.
namespace {

constexpr time_point start{7h};
constexpr double all = 18'446'744'073'709'551'616.0; ///< pairs of two 32-bit numbers

stream_config config() {
  stream_config c;
  c.tuple = {{*ip_address::parse("192.168.201.2"), 443},
             {*ip_address::parse("198.51.100.2"), 4'000}};
  c.iss = {0xfff0'0000};
  c.seed = 1;
  return c;
}

segment_repr segment(const stream& s, std::uint32_t length, std::uint8_t flags = flag::ack) {
  segment_repr in;
  in.tuple = s.tuple();
  in.seq = s.rcv_nxt();
  in.ack = s.snd_nxt();
  in.flags = flags;
  in.window = 65'535;
  in.payload_length = length;
  in.datagram_size = std::min(length, 1'400u);
  return in;
}

const std::vector<std::uint8_t> octets(65'000);

/// A server's stream of the given age at 1 Gbit/s, with what is under way in 20 ms, each way.
struct aged {
  std::uint64_t age;
  bool up, down;

  stream make(time_point& now) const {
    hello_repr hello;
    hello.control_length = hello_size;
    hello.mtu = 1'500;
    auto s = stream::accept(config(), hello, {0x7fff'0000}, start);
    auto first = segment(s, hello_size);
    first.seq = s.rcv_nxt();
    s.on_segment(first, {octets.data(), hello_size}, start);
    constexpr std::uint32_t batch = 44 * 1'400;
    constexpr auto batch_time = 493us; // at 1 Gbit/s
    constexpr std::size_t round_trip = 40;
    std::vector<seq_num> sent;
    now = start;
    for (std::uint64_t done = 0; done < age; done += batch) {
      now += batch_time;
      if (down) {
        BOOST_REQUIRE(s.admit(1'400, 44, now) == 44u);
        s.data_header(batch, 44, false, now);
      }
      sent.push_back(s.snd_nxt());
      auto in = segment(s, up ? batch : 0);
      const auto seen = sent.size() > round_trip ? sent[sent.size() - round_trip] : s.rcv_nxt();
      in.ack = sent.size() > round_trip ? seen : config().iss + 1;
      if (up || sent.size() % 70 == 0) s.on_segment(in, {octets.data(), in.payload_length}, now);
      while (s.deadline() && *s.deadline() <= now)
        s.on_timer(now);
    }
    return s;
  }
};

/// How many numbers in a row, among them the one at 0, are taken.
double width(const std::function<bool(std::int64_t)>& taken) {
  if (!taken(0)) return 0;
  const auto edge = [&](int sign) {
    std::int64_t in = 0, out = std::int64_t{1} << 31;
    if (taken(sign * (out - 1))) return out;
    while (out - in > 1)
      (taken(sign * ((in + out) / 2)) ? in : out) = (in + out) / 2;
    return in;
  };
  return static_cast<double>(edge(1) + edge(-1) + 1);
}

/// The share of all pairs of numbers with which a segment has that effect. The pairs form at most the
/// rectangle of what each alone may be.
template <class Effect>
double chance(const stream& s, time_point now, std::uint32_t length, std::uint8_t flags) {
  const auto has_effect = [&](std::int64_t seq, std::int64_t ack) {
    auto copy = s;
    auto in = segment(s, length, flags);
    in.seq = in.seq + static_cast<std::uint32_t>(seq);
    in.ack = in.ack + static_cast<std::uint32_t>(ack);
    return copy.on_segment(in, {octets.data(), length}, now).template find<Effect>() != nullptr;
  };
  const auto seqs = width([&](std::int64_t d) { return has_effect(d, 0); });
  const auto acks = (flags & flag::rst) != 0
                        ? 4'294'967'296.0 // of which it says nothing
                        : width([&](std::int64_t d) { return has_effect(0, d); });
  BOOST_TEST(seqs >= 1);
  BOOST_TEST(acks >= 1);
  return seqs * acks / all;
}

double chance_of_icmp(const stream& s, time_point now) {
  const auto believed = [&](std::int64_t seq, std::int64_t ack) {
    auto copy = s;
    packet_too_big icmp;
    icmp.quoted = s.tuple();
    icmp.seq = s.snd_nxt() - 1 + static_cast<std::uint32_t>(seq);
    icmp.ack = s.rcv_nxt() + static_cast<std::uint32_t>(ack);
    icmp.mtu = 1'000;
    return copy.on_too_big(icmp, now).find<mtu_changed>() != nullptr;
  };
  return width([&](std::int64_t d) { return believed(d, 0); }) *
         width([&](std::int64_t d) { return believed(0, d); }) / all;
}

/// An ICMP that quotes 8 octets of TCP: SEQ and IPv4 ID.
double chance_of_short_icmp(const stream& s, time_point now) {
  const auto believed = [&](std::int64_t seq, int id) {
    auto copy = s;
    packet_too_big icmp;
    icmp.quoted = s.tuple();
    icmp.seq = s.snd_nxt() - 1 + static_cast<std::uint32_t>(seq);
    icmp.ip_id = static_cast<std::uint16_t>(id);
    icmp.mtu = 1'000;
    return copy.on_too_big(icmp, now).find<mtu_changed>() != nullptr;
  };
  double most = 0;
  int ids = 0;
  for (int id = 0; id < 65'536; ++id)
    ids += believed(0, id) ? 1 : 0;
  for (int id = 0; id < 65'536; ++id)
    if (believed(0, id)) {
      most = width([&](std::int64_t d) { return believed(d, id); });
      break;
    }
  return most * ids / 281'474'976'710'656.0; // 48 bits
}

} // namespace

BOOST_AUTO_TEST_SUITE(plausible_test)

BOOST_AUTO_TEST_CASE(one_random_packet_in_a_million_counts_at_most_at_any_age) {
  const auto most = std::pow(2.0, -20);
  for (const auto age : {100'000ull, 10'000'000ull, 1'000'000'000ull, 10'000'000'000ull})
    for (const auto& [up, down] : {std::pair{true, false}, {false, true}, {true, true}}) {
      BOOST_TEST_CONTEXT(age << " octets, up " << up << ", down " << down) {
        time_point now;
        const auto s = aged{age, up, down}.make(now);
        const auto data = chance<deliver>(s, now, 1'000, flag::ack);
        const auto empty = chance<deliver>(s, now, 0, flag::ack | flag::psh);
        const auto fin = chance<ended>(s, now, 0, flag::fin | flag::ack);
        const auto fin_with_data = chance<ended>(s, now, 1'000, flag::fin | flag::ack);
        const auto reset = chance<ended>(s, now, 0, flag::rst | flag::ack);
        const auto icmp = chance_of_icmp(s, now);
        const auto short_icmp = chance_of_short_icmp(s, now);
        BOOST_TEST_MESSAGE(age << " octets, up " << up << ", down " << down << ": 2^ "
                               << std::log2(data) << " data, " << std::log2(empty) << " empty, "
                               << std::log2(fin) << " FIN, " << std::log2(reset) << " RST, "
                               << std::log2(icmp) << " ICMP, " << std::log2(short_icmp)
                               << " short ICMP");
        for (const auto each : {data, empty, fin, fin_with_data, reset, icmp, short_icmp})
          BOOST_TEST(each <= most);
      }
    }
}

BOOST_AUTO_TEST_CASE(what_an_honest_path_does_to_a_gigabit_is_taken) {
  for (const auto& [up, down] : {std::pair{true, false}, {true, true}}) {
    time_point now;
    auto s = aged{1'000'000'000, up, down}.make(now);
    // 2 ms late, and 300 kB lost.
    auto late = segment(s, 1'000);
    late.seq = late.seq - 250'000;
    BOOST_TEST((s.on_segment(late, {octets.data(), 1'000}, now).find<deliver>() != nullptr));
    auto behind_a_hole = segment(s, 1'000);
    behind_a_hole.seq = behind_a_hole.seq + 300'000;
    BOOST_TEST(
        (s.on_segment(behind_a_hole, {octets.data(), 1'000}, now).find<deliver>() != nullptr));
  }
}

BOOST_AUTO_TEST_CASE(what_can_be_late_is_what_came_in_the_last_second) {
  recent_progress recent;
  recent.note(start, 1'000, 0);
  BOOST_TEST(recent.range(1'000, 0, 0).behind == 65'536u);
  std::uint64_t received = 0;
  for (auto now = start; now < start + 10s; now += 10ms, received += 10'000)
    recent.note(now, received, 0);
  const auto range = recent.range(received, 0, 0);
  BOOST_TEST((range.behind >= 65'536u + 500'000u && range.behind <= 65'536u + 1'100'000u));
  BOOST_TEST(range.ahead > 2'000'000u);
  // After a pause nothing is.
  recent.note(start + 20s, received, 0);
  BOOST_TEST(recent.range(received, 0, 0).behind == 65'536u);
}

BOOST_AUTO_TEST_CASE(ranges_share_a_budget_whatever_is_under_way) {
  recent_progress recent;
  recent.note(start, 0, 0);
  for (std::uint64_t under_way = 0; under_way <= std::uint64_t{1} << 30;
       under_way = under_way * 2 + 1) {
    const auto range = recent.range(500'000'000, 400'000'000, 400'000'000 + under_way);
    const auto pairs = static_cast<double>(range.behind + range.ahead) *
                       static_cast<double>(under_way + range.acks_behind);
    BOOST_TEST(pairs <= std::pow(2.0, 43));
    BOOST_TEST(range.ahead > 0u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
