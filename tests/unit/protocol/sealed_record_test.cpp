#include "protocol/sealed/record.hpp"
#include "tests/support/fake_crypto.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;

namespace {

using octets = std::vector<std::uint8_t>;

octets numbers(std::size_t size, unsigned first = 3) {
  octets out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::uint8_t>(i * 7 + first);
  return out;
}

/// Both ends of one direction, and what the opener has found last.
struct one_way {
  std::unique_ptr<crypto> c = tonel::test::make_fake_crypto(1);
  secret exported{secret::octets{1, 2, 3}};
  sealer out{*c, exported, suite::aes_128_gcm};
  opener in{*c, exported, suite::aes_128_gcm};
  std::vector<found> stretches;
  octets content;

  octets seal(std::uint64_t position, const octets& datagrams, std::uint32_t size) {
    octets wire(sealed_size(static_cast<std::uint32_t>(datagrams.size()), size));
    BOOST_REQUIRE(out.seal_run(position, datagrams, size, wire));
    return wire;
  }
  octets seal(std::uint64_t position, const octets& datagram) {
    return seal(position, datagram, static_cast<std::uint32_t>(datagram.size()));
  }
  void open(std::uint64_t position, const octets& wire, std::uint32_t segment_size) {
    stretches.clear();
    content.assign(wire.size(), 0);
    in.open_run(position, wire, segment_size, content,
                [&](const found& f) { stretches.push_back(f); });
  }
  found_as open_one(std::uint64_t position, const octets& wire) {
    content.assign(wire.size(), 0);
    const auto one = in.open(position, wire, content);
    content.resize(one.length);
    return one.what;
  }
};

octets joined(std::initializer_list<octets> parts) {
  octets out;
  for (const auto& part : parts)
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

constexpr std::uint64_t wrap = std::uint64_t{1} << 32;

} // namespace

BOOST_AUTO_TEST_SUITE(sealed_record_test)

BOOST_AUTO_TEST_CASE(a_record_looks_like_one_of_tls) {
  one_way l;
  const auto wire = l.seal(570, numbers(100));
  BOOST_TEST(wire.size() == 122u);
  BOOST_TEST(octets(wire.begin(), wire.begin() + 5) == (octets{0x17, 3, 3, 0, 117}),
             boost::test_tools::per_element());
  BOOST_TEST((l.open_one(570, wire) == found_as::datagrams));
  BOOST_TEST(l.content == numbers(100), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_run_stays_a_run) {
  one_way l;
  const auto datagrams = numbers(10 * 1'400 + 300);
  const auto wire = l.seal(570, datagrams, 1'400);
  BOOST_TEST(wire.size() == datagrams.size() + 11 * record_overhead);
  for (std::size_t at = 0; at < wire.size(); at += 1'422)
    BOOST_TEST(wire[at] == 0x17); // borders of records at those of segments

  l.open(570, wire, 1'422);
  BOOST_TEST_REQUIRE(l.stretches.size() == 1u);
  const auto& f = l.stretches[0];
  BOOST_TEST((f.what == found_as::datagrams));
  BOOST_TEST(f.from == 0u);
  BOOST_TEST(f.size == wire.size());
  BOOST_TEST(f.length == datagrams.size());
  BOOST_TEST(f.datagram_size == 1'400u);
  BOOST_TEST(std::equal(datagrams.begin(), datagrams.end(), l.content.begin()));
}

BOOST_AUTO_TEST_CASE(empty_datagrams_pass) {
  one_way l;
  const auto one = l.seal(570, {});
  const auto two = l.seal(592, {});
  BOOST_TEST(one.size() == record_overhead);
  l.open(570, joined({one, two}), record_overhead);
  // Two of them can't be told from one by their length.
  BOOST_TEST_REQUIRE(l.stretches.size() == 2u);
  for (const auto& f : l.stretches) {
    BOOST_TEST((f.what == found_as::datagrams));
    BOOST_TEST(f.length == 0u);
    BOOST_TEST(f.size == record_overhead);
  }
}

BOOST_AUTO_TEST_CASE(the_largest_content_passes_and_none_above) {
  one_way l;
  const auto wire = l.seal(0, numbers(max_record_content));
  BOOST_TEST((l.open_one(0, wire) == found_as::datagrams));
  octets out(max_record_content + 1 + record_overhead);
  BOOST_TEST(!l.out.seal(100'000, inner_type::datagram, numbers(max_record_content + 1), out));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_refused) {
  one_way l;
  const auto wire = l.seal(570, numbers(60));
  for (std::size_t bit = 0; bit < wire.size() * 8; ++bit) {
    auto changed = wire;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
    BOOST_TEST_REQUIRE((l.open_one(570, changed) == found_as::forged), "bit " << bit);
  }
  BOOST_TEST((l.open_one(570, wire) == found_as::datagrams)); // none of them has counted
}

BOOST_AUTO_TEST_CASE(what_is_cut_longer_or_elsewhere_is_refused) {
  one_way l;
  const auto wire = l.seal(570, numbers(60));
  for (std::size_t size = 1; size < wire.size(); ++size)
    BOOST_TEST_REQUIRE((l.open_one(570, {wire.begin(), wire.begin() + static_cast<long>(size)}) ==
                        found_as::forged));
  BOOST_TEST((l.open_one(570, joined({wire, {0}})) == found_as::forged));
  for (const std::uint64_t position :
       {std::uint64_t{569}, std::uint64_t{571}, std::uint64_t{0}, 570 + wrap})
    BOOST_TEST((l.open_one(position, wire) == found_as::forged), position);
  BOOST_TEST((l.open_one(570, wire) == found_as::datagrams));
}

BOOST_AUTO_TEST_CASE(the_other_direction_and_another_connection_open_nothing) {
  one_way l;
  one_way other;
  other.in = opener{*other.c, secret{secret::octets{1, 2, 4}}, suite::aes_128_gcm};
  BOOST_TEST((other.open_one(570, l.seal(570, numbers(60))) == found_as::forged));
}

BOOST_AUTO_TEST_CASE(records_come_in_any_order_and_once) {
  one_way l;
  std::vector<std::pair<std::uint64_t, octets>> sent;
  std::uint64_t position = 570;
  for (unsigned i = 0; i < 200; ++i) {
    const auto wire = l.seal(position, numbers(i * 3, i));
    sent.emplace_back(position, wire);
    position += wire.size();
  }
  std::shuffle(sent.begin(), sent.end(), std::mt19937{7});
  for (const auto& [at, wire] : sent)
    BOOST_TEST_REQUIRE((l.open_one(at, wire) == found_as::datagrams));
  for (const auto& [at, wire] : sent)
    BOOST_TEST_REQUIRE((l.open_one(at, wire) == found_as::repeated));
}

BOOST_AUTO_TEST_CASE(a_forged_segment_in_a_run_costs_itself_alone) {
  one_way l;
  const auto datagrams = numbers(5 * 100);
  auto wire = l.seal(570, datagrams, 100);
  wire[2 * 122 + 50] ^= 1;
  l.open(570, wire, 122);
  BOOST_TEST_REQUIRE(l.stretches.size() == 3u);
  BOOST_TEST((l.stretches[0].what == found_as::datagrams));
  BOOST_TEST(l.stretches[0].size == 244u);
  BOOST_TEST((l.stretches[1].what == found_as::forged));
  BOOST_TEST(l.stretches[1].from == 244u);
  BOOST_TEST(l.stretches[1].size == 122u);
  BOOST_TEST((l.stretches[2].what == found_as::datagrams));
  BOOST_TEST(l.stretches[2].from == 366u);
  BOOST_TEST(l.stretches[2].length == 200u);
  const auto third = l.content.begin() + l.stretches[2].out;
  BOOST_TEST(std::equal(datagrams.begin() + 300, datagrams.end(), third));
}

BOOST_AUTO_TEST_CASE(control_and_later_types_are_told_from_datagrams) {
  one_way l;
  octets control(4 + record_overhead);
  octets later(10 + record_overhead);
  const auto first = l.seal(570, numbers(4));
  BOOST_REQUIRE(l.out.seal(596, inner_type::control, numbers(4, 9), control));
  BOOST_REQUIRE(l.out.seal(622, inner_type{0x55}, numbers(4, 9), later));
  l.open(570, joined({first, control, {later.begin(), later.begin() + 26}}), 26);
  BOOST_TEST_REQUIRE(l.stretches.size() == 3u);
  BOOST_TEST((l.stretches[0].what == found_as::datagrams));
  BOOST_TEST((l.stretches[1].what == found_as::control));
  BOOST_TEST(l.stretches[1].length == 4u);
  BOOST_TEST(unsigned{l.content[l.stretches[1].out]} == 9u);
  BOOST_TEST((l.stretches[2].what == found_as::unknown));
  BOOST_TEST(l.stretches[2].length == 0u);
}

BOOST_AUTO_TEST_CASE(each_wrap_has_keys_of_its_own) {
  one_way l;
  const auto content = numbers(60);
  octets before(82), at(82), later(82);
  const auto last = wrap - 82;
  BOOST_REQUIRE(l.out.seal(last, inner_type::datagram, content, before));
  BOOST_REQUIRE(l.out.seal(wrap, inner_type::datagram, content, at));
  BOOST_REQUIRE(l.out.seal(wrap + last, inner_type::datagram, content, later));
  BOOST_TEST(!std::equal(before.begin() + 5, before.end(), later.begin() + 5));
  // The next epoch's first is here before the last of this one.
  BOOST_TEST((l.open_one(570, one_way{}.seal(570, content)) == found_as::datagrams));
  BOOST_TEST((l.open_one(wrap, at) == found_as::datagrams));
  BOOST_TEST((l.open_one(last, before) == found_as::datagrams));
  BOOST_TEST((l.open_one(wrap, at) == found_as::repeated));
  BOOST_TEST((l.open_one(wrap + last, later) == found_as::datagrams));
}

BOOST_AUTO_TEST_CASE(a_record_may_lie_across_the_wrap) {
  one_way l;
  const auto wire = l.seal(wrap - 700, numbers(3'000), 1'000);
  l.open(wrap - 700, wire, 1'022);
  BOOST_TEST_REQUIRE(l.stretches.size() == 1u);
  BOOST_TEST(l.stretches[0].length == 3'000u);
}

BOOST_AUTO_TEST_CASE(a_stream_of_many_wraps_goes_on) {
  one_way l;
  std::uint64_t position = 570;
  for (int i = 0; i < 40; ++i, position += wrap / 3)
    BOOST_TEST_REQUIRE(
        (l.open_one(position, l.seal(position, numbers(50))) == found_as::datagrams));
}

BOOST_AUTO_TEST_CASE(two_epochs_ahead_or_behind_is_refused) {
  one_way l;
  BOOST_TEST((l.open_one(2 * wrap + 5, l.seal(2 * wrap + 5, numbers(50))) == found_as::forged));
  one_way m;
  BOOST_TEST((m.open_one(wrap, m.seal(wrap, numbers(50))) == found_as::datagrams));
  BOOST_TEST((m.open_one(2 * wrap, m.seal(2 * wrap, numbers(50))) == found_as::datagrams));
  BOOST_TEST((m.open_one(570, one_way{}.seal(570, numbers(50))) == found_as::old));
}

BOOST_AUTO_TEST_CASE(positions_never_go_back) {
  one_way l;
  static_cast<void>(l.seal(10'000, numbers(100)));
  octets out(122);
  for (const std::uint64_t position : {10'000u, 9'000u, 10'121u})
    BOOST_TEST(!l.out.seal(position, inner_type::datagram, numbers(100), out));
  BOOST_TEST(l.out.seal(10'122, inner_type::datagram, numbers(100), out));
}

BOOST_AUTO_TEST_SUITE_END()
