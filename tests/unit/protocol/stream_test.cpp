#include "protocol/stream.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

const script_setup server = [] {
  script_setup s;
  s.client = false;
  return s;
}();

void run_open(std::initializer_list<row> rows) { run_open_server(server, 0ms, rows); }

} // namespace

BOOST_AUTO_TEST_SUITE(stream_test)

BOOST_AUTO_TEST_CASE(ack_is_the_highest_end_received_and_never_goes_back) {
  run_open({{1ms, "in A 177:77(100)", "deliver 0+100"},
            {2ms, "in A 77:77(100)", "deliver 0+100"},
            {3ms, "send 10", "A 77:277(10)"},
            {4ms, "in A 1077:77(1)", "deliver 0+1"},
            {5ms, "in A 277:87(1)", "deliver 0+1"},
            {6ms, "send 10", "A 87:1078(10)"}});
}

BOOST_AUTO_TEST_CASE(zero_length_datagrams_carry_psh_and_no_octet) {
  run_open({{1ms, "send 0", "PA 77:77"},
            {1ms, "send 0", "PA 77:77"},
            {1ms, "send 5", "A 77:77(5)"},
            {2ms, "in PA 77:82", "deliver 0+0"},
            // One that was overtaken is none the less one.
            {3ms, "in A 77:82(10)", "deliver 0+10"},
            {4ms, "in PA 77:82", "deliver 0+0"},
            // Inside control there is none.
            {5ms, "in PA 20:82", "drop out_of_window"}});
}

BOOST_AUTO_TEST_CASE(ip_id_counts_segments) {
  stream_script s{server};
  s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}});
  BOOST_TEST(s.last_header().ip_id == 100);
  s.run({{0ms, "run 100 10", "A 77:77(1000)"}});
  BOOST_TEST(s.last_header().ip_id == 101);
  s.run({{0ms, "send 100 !", "PA 1077:77(100)"}});
  BOOST_TEST(s.last_header().ip_id == 111);
  s.run({{0ms, "in A 76:77", "A 1177:77"}});
  BOOST_TEST(s.last_header().ip_id == 112);
  BOOST_TEST(s.last_header().window == 65'535);
}

BOOST_AUTO_TEST_CASE(sixty_thousand_octets_until_the_peer_has_spoken) {
  run_everywhere({}, {{0ms, "open", "S 0:0"},
                      {0ms, "send 10", "full"},
                      {1ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                      {2ms, "run 1000 59", "A 77:1(59000)"},
                      {2ms, "send 953", "full"},
                      {2ms, "send 924", "A 59077:1(924)"},
                      {2ms, "send 1", "full"},
                      {2ms, "send 0", "PA 60001:1"},
                      // Another SYN-ACK opens nothing.
                      {3ms, "in SA 0:1", "A 60001:1"},
                      {3ms, "send 1", "full"},
                      {4ms, "hello PA 1:1(76)", "greeted"},
                      {4ms, "run 1000 60", "A 60001:77(60000)"}});
  script_setup narrow;
  narrow.peer_window = 20'000;
  run_everywhere(narrow, {{0ms, "open", "S 0:0"},
                          {1ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                          {2ms, "run 1000 60", "A 77:1(19000)"}});
}

BOOST_AUTO_TEST_CASE(at_768_mib_one_datagram_in_100_ms_goes_through) {
  for (const auto iss : {1'000u, 0xffff'ffceu, 0x7fff'ffffu}) {
    auto setup = server;
    setup.iss = iss;
    stream_script s{setup};
    s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}, {0ms, "in A 77:77", ""}});
    auto& stream = s.under_test();
    const auto now = s.now();
    std::uint64_t sent = 0;
    std::uint32_t got = 0;
    while ((got = stream.admit(1'000, 64'000, now)) == 64'000) {
      stream.data_header(64'000'000, 64'000, false, now);
      sent += 64'000'000;
    }
    stream.data_header(got * 1'000, got, false, now);
    sent += got * 1'000;
    BOOST_TEST(sent == (std::uint64_t{768} << 20) / 1'000 * 1'000);
    BOOST_TEST(stream.admit(1'000, 5, now) == 1u);
    stream.data_header(1'000, 1, false, now);
    sent += 1'000;
    BOOST_TEST(stream.admit(1'000, 5, now) == 0u);
    BOOST_TEST(stream.admit(1'000, 5, now + 99ms) == 0u);
    BOOST_TEST(stream.admit(1'000, 5, now + 100ms) == 1u);
    BOOST_TEST(stream.admit(1'000, 5, now + 100ms) == 0u);
    s.step(("in A 77:" + std::to_string(77 + sent)).c_str());
    BOOST_TEST(stream.admit(1'000, 5, now + 100ms) == 5u);
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_belong_to_the_stream_is_challenged) {
  run_open({{1ms, "in A 77:78(10)", "drop out_of_window | A 77:77"},
            {2ms, "in A 1073741902:77(1000)/100", "drop out_of_window x10 | drop rst_limited"},
            {3ms, "in A 0:77(10)", "drop out_of_window | drop rst_limited"},
            {4ms, "in A 77:0(10)", "drop out_of_window | drop rst_limited"},
            {5ms, "in A -1:77", "drop out_of_window | drop rst_limited"},
            // Older than what any late segment acknowledges.
            {6ms, "send 1000", "A 77:77(1000)"},
            {7ms, "in A 77:1077", ""},
            {8ms, "in A 77:77(10)", "deliver 0+10"}});
}

BOOST_AUTO_TEST_CASE(a_jump_ahead_is_believed_once_the_peer_confirms_it) {
  run_open({{1ms, "in A 1048653:77(10)", "deliver 0+10"}});
  run_open({{1ms, "in A 1048654:77(1000)/100", "drop out_of_window x10 | A 76:77"},
            {2ms, "in A 1049654:77(10)", "drop out_of_window"},
            // The right place, but nobody who has seen the question.
            {10ms, "in A 1073741901:77", "drop out_of_window"},
            {51ms, "in A 1049664:77(10)", "drop out_of_window | A 76:77"},
            {60ms, "in A 1049674:77 =", ""},
            {61ms, "in A 1049674:77(10)", "deliver 0+10"},
            // Late ones are late as before.
            {62ms, "in A 1049664:77(10)", "deliver 0+10"},
            // An answer counts once.
            {70ms, "in A 9049684:77 =", "drop out_of_window"}});
}

BOOST_AUTO_TEST_CASE(a_keepalives_window_is_repeated_by_its_answer_alone) {
  stream_script s{server};
  s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}, {0ms, "in A 77:77", ""}});
  segment_repr in;
  in.tuple = s.config().tuple;
  in.flags = flag::ack;
  in.seq = seq_num{5'076};
  in.ack = seq_num{1'077};
  for (const std::uint16_t window :
       {std::uint16_t{0x8000}, std::uint16_t{0xfffe}, std::uint16_t{0xffff}}) {
    in.window = window;
    const auto did = s.under_test().on_segment(in, {}, s.now());
    BOOST_REQUIRE(did.find<send_segment>());
    BOOST_TEST(did.find<send_segment>()->header.window == window);
  }
  // No tracker is to see less room than there is.
  in.window = 0x7fff;
  BOOST_TEST(s.under_test().on_segment(in, {}, s.now()).find<send_segment>()->header.window ==
             65'535);
  s.run({{0ms, "send 10", "A 77:77(10)"}});
  BOOST_TEST(s.last_header().window == 65'535);
}

BOOST_AUTO_TEST_CASE(without_window_scale_sixty_thousand_octets_are_under_way_at_most) {
  run_everywhere({}, {{0ms, "open", "S 0:0"},
                      {1ms, "in SA 0:1 -", "unscaled | A 1:1 | PA 1:1(76) | opened"},
                      {2ms, "hello PA 1:77(76)", "greeted"},
                      {2ms, "run 1000 80", "A 77:77(60000)"},
                      {2ms, "send 1000", "full"},
                      {30ms, "in A 77:16077", ""},
                      {30ms, "run 1000 80", "A 60077:77(16000)"},
                      {40ms, "in A 77:32077", ""},
                      // What comes is acknowledged soon, as the peer has no more room.
                      {45ms, "in A 77:32077(16000)", "deliver 0+16000"},
                      {46ms, "in A 16077:32077(384)", "A 76077:16461 | deliver 0+384"},
                      {47ms, "in A 16461:32077(10)", "deliver 0+10"},
                      {97ms, "timer", "A 76077:16471"},
                      // All of a window was lost: only another connection can go on.
                      {100ms, "run 1000 80", "A 76077:16471(16000)"},
                      {100ms, "send 1000", "full"},
                      {1100ms, "timer", "silent"}});
  stream_script client{script_setup{}};
  client.run(
      {{0ms, "open", "S 0:0"}, {1ms, "in SA 0:1 -", "unscaled | A 1:1 | PA 1:1(76) | opened"}});
  const auto hello = parse_hello(client.last_payload());
  BOOST_REQUIRE(hello.has_value());
  BOOST_TEST((hello->capabilities & capability::unscaled) != 0);

  // Its server has as little room, and its client replaces a connection that is reset.
  stream_script other{server};
  auto stream = stream::accept(other.config(), *hello, {5'000}, other.now());
  BOOST_TEST(stream.admit(1'000, 100, other.now()) == 60u);
  stream.data_header(60'000, 60, false, other.now());
  BOOST_TEST(stream.admit(1'000, 1, other.now()) == 0u);
  BOOST_REQUIRE((stream.deadline() == other.now() + 1s));
  BOOST_TEST(other.describe(stream.on_timer(other.now() + 1s)) == "RA 60001:1 | ended dead");
}

BOOST_AUTO_TEST_CASE(control_is_control_only_at_the_start_of_the_first_4_gib) {
  for (const auto irs : {1'000u, 0xffff'ffceu, 0x7fff'ffffu}) {
    auto setup = server;
    setup.irs = irs;
    stream_script s{setup};
    s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}});
    std::uint64_t end = 77;
    for (; end < (std::uint64_t{1} << 32) + 100; end += 1'000'000)
      s.step(("in A " + std::to_string(static_cast<std::uint32_t>(end)) + ":77(1)").c_str());
    // The numbers that the hello had, 4 GiB later.
    s.step("in A 77:77(1000)/100");
    BOOST_TEST(s.step("in A 1:77(76)") == "deliver 0+76");
    BOOST_TEST(s.step("in A 0:77(1)") == "deliver 0+1");
  }
}

/// Random events, some likely and some not; after each the promises of the class are checked.
BOOST_AUTO_TEST_CASE(no_event_breaks_what_a_stream_promises) {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    std::mt19937 engine{seed};
    const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
    const auto upto = [&](std::uint32_t n) { return random() % n; };
    script_setup setup;
    setup.client = seed % 2 == 0;
    setup.iss = random();
    setup.irs = random();
    setup.keepalive = std::chrono::seconds{upto(3) * 10};
    setup.idle_timeout = std::chrono::seconds{upto(3) * 60};
    setup.handshake_packet = upto(2) * 300;
    stream_script s{setup};
    auto& stream = s.under_test();
    auto now = s.now();
    seq_num highest = stream.rcv_nxt(); // of what arrived
    seq_num last_ack{setup.irs};
    bool acked = false;
    int endings = 0, forgets = 0;

    const auto check = [&](const effects& list) {
      BOOST_REQUIRE(list.size() <= effects::capacity);
      for (const auto& e : list) {
        if (std::get_if<ended>(&e) || std::get_if<try_new_port>(&e)) ++endings;
        if (std::get_if<forgotten>(&e)) ++forgets;
        const auto* out = std::get_if<send_segment>(&e);
        if (out == nullptr || (out->header.flags & flag::ack) == 0) continue;
        BOOST_REQUIRE((!acked || out->header.ack >= last_ack));
        BOOST_REQUIRE((out->header.ack <= highest));
        last_ack = out->header.ack;
        acked = true;
      }
      BOOST_REQUIRE(endings <= 1);
      BOOST_REQUIRE(forgets <= endings);
    };

    if (setup.client) check(stream.open(now));
    for (int i = 0; i < 500; ++i) {
      now += std::chrono::milliseconds{upto(4) == 0 ? upto(3'000) : upto(20)};
      // Whoever waits for the deadline must get past it.
      for (int spins = 0; stream.deadline() && *stream.deadline() <= now; ++spins) {
        check(stream.on_timer(now));
        BOOST_REQUIRE(spins < 3);
      }
      const auto kind = upto(100);
      if (kind < 60) {
        segment_repr in;
        in.tuple = s.config().tuple;
        static constexpr std::uint8_t usual[] = {flag::ack, flag::ack, flag::ack,
                                                 flag::ack | flag::psh, flag::ack | flag::syn};
        in.flags = upto(30) == 0 ? static_cast<std::uint8_t>(random()) : usual[upto(5)];
        in.seq = stream.rcv_nxt() + (upto(8) == 0   ? random()
                                     : upto(3) == 0 ? upto(3'000) - 1'500
                                                    : 0);
        in.ack = stream.snd_nxt() - (upto(8) == 0 ? random() : upto(2) == 0 ? upto(5'000) : 0);
        if (!acked || in.has(flag::syn)) {
          in.seq = seq_num{setup.irs};
          if (setup.client) in.ack = seq_num{setup.iss} + 1;
        }
        std::vector<std::uint8_t> payload(upto(2) == 0 ? 0 : upto(3'000));
        if (payload.size() >= 96 && upto(4) == 0) {
          hello_repr hello;
          hello.offset = in.seq.raw - setup.irs - 1;
          hello.control_length = hello.offset + hello_size;
          hello.session.fill(0x5e);
          hello.counter = 7;
          const auto encoded = encode_hello(hello, s.config().session.secret);
          std::copy(encoded.begin(), encoded.end(), payload.begin());
        }
        in.window = static_cast<std::uint16_t>(random());
        in.mss = static_cast<std::uint16_t>(random());
        in.payload_length = static_cast<std::uint32_t>(payload.size());
        in.datagram_size = payload.empty() ? 0 : upto(in.payload_length) + 1;
        const auto before = stream.rcv_nxt();
        const auto did = stream.on_segment(in, payload, now);
        if (!acked) highest = stream.rcv_nxt();
        // RCV.NXT moves on to this segment's end, or not at all.
        if (stream.rcv_nxt() != before)
          BOOST_REQUIRE((!acked || in.has(flag::syn) || stream.rcv_nxt() == in.end() ||
                         (in.has(flag::fin) && stream.rcv_nxt() == in.end() - 1)));
        highest = std::max(highest, stream.rcv_nxt(), [](auto a, auto b) { return a < b; });
        for (const auto& e : did)
          if (const auto* d = std::get_if<deliver>(&e))
            BOOST_REQUIRE(d->offset + d->length <= payload.size());
        check(did);
      } else if (kind < 90) {
        const auto size = upto(1'460), count = upto(40) + 1;
        const auto admitted = stream.admit(size, count, now);
        BOOST_REQUIRE(admitted <= count);
        BOOST_REQUIRE((admitted == 0 || stream.is_open()));
        if (admitted > 0) {
          const auto header = stream.data_header(size * admitted, admitted, upto(2) == 0, now);
          BOOST_REQUIRE((header.ack <= highest && header.ack >= last_ack));
          last_ack = header.ack;
        }
      } else if (kind < 96) {
        packet_too_big icmp;
        icmp.quoted = s.config().tuple;
        icmp.seq = stream.snd_nxt() - upto(10'000);
        icmp.mtu = upto(70'000);
        check(stream.on_too_big(icmp, now));
        BOOST_REQUIRE(stream.max_datagram() >= 536);
      } else if (kind == 96) {
        check(stream.on_resume(now));
      } else if (kind == 97 && upto(8) == 0) {
        check(stream.close(now, upto(2) == 0));
      } else if (kind == 98 && upto(8) == 0) {
        check(stream.reset(now));
      } else if (kind == 99 && upto(8) == 0) {
        check(stream.supersede(now));
      }
    }
    // Time alone ends everything that has an end, without spinning.
    int timers = 0;
    for (; stream.deadline() && timers < 2'000; ++timers) {
      now = std::max(now, *stream.deadline());
      check(stream.on_timer(now));
    }
    BOOST_TEST(timers < 2'000, "seed " << seed);
    BOOST_TEST((forgets == endings), "seed " << seed);
  }
}

BOOST_AUTO_TEST_SUITE_END()
