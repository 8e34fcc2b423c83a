#include "system/slab.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::byte_view view(const std::string& s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}

/// Runs it on another thread and waits.
template <class F> void elsewhere(F f) { std::thread{std::move(f)}.join(); }

} // namespace

BOOST_AUTO_TEST_SUITE(slab_test)

BOOST_AUTO_TEST_CASE(a_slab_returns_with_its_last_reference) {
  slab_pool pool{2};
  auto a = pool.take();
  auto b = a;
  BOOST_TEST(!a.unique());
  a = slab_ref{};
  BOOST_TEST(pool.in_use() == 1u);
  BOOST_TEST(b.unique());
  b = slab_ref{};
  BOOST_TEST(pool.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(a_slab_holds_64_kib_and_headroom) {
  slab_pool pool{1};
  const auto a = pool.take();
  std::memset(a.data(), 0xab, slab_ref::capacity());
  BOOST_TEST(a.data()[slab_ref::capacity() - 1] == 0xab);
}

BOOST_AUTO_TEST_CASE(the_last_returned_is_the_next_taken) {
  slab_pool pool{4};
  auto a = pool.take();
  auto b = pool.take();
  const auto* warm = a.data();
  b = slab_ref{};
  a = slab_ref{};
  BOOST_TEST(pool.take().data() == warm);
}

BOOST_AUTO_TEST_CASE(an_exhausted_pool_calls_back_once_at_the_first_return) {
  slab_pool pool{1};
  int calls = 0;
  pool.on_available([&] { ++calls; });
  auto a = pool.take();
  BOOST_TEST(!pool.take());
  BOOST_TEST(!pool.take());
  a = slab_ref{};
  BOOST_TEST(calls == 1);
  a = pool.take();
  a = slab_ref{};
  BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(a_return_elsewhere_wakes_only_a_starving_pool) {
  std::atomic<int> wakes{0};
  slab_pool pool{1, [&] { ++wakes; }};
  int calls = 0;
  pool.on_available([&] { ++calls; });

  elsewhere([s = pool.take()] {});
  BOOST_TEST(wakes == 0);
  auto a = pool.take(); // finds what the other thread gave back
  BOOST_TEST_REQUIRE(bool(a));

  BOOST_TEST(!pool.take());
  elsewhere([s = std::move(a)]() mutable { s = slab_ref{}; });
  BOOST_TEST(wakes == 1);
  BOOST_TEST(calls == 0); // on this thread, and not before it collects
  pool.collect();
  BOOST_TEST(calls == 1);
  BOOST_TEST(pool.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(slabs_outlive_their_pool) {
  std::optional<slab_pool> pool{std::in_place, 2};
  auto a = pool->take();
  auto b = pool->take();
  pool.reset();
  a.data()[0] = 1;
  BOOST_TEST(a.unique());
  a = slab_ref{};
  elsewhere([s = std::move(b)]() mutable { s = slab_ref{}; });
}

BOOST_AUTO_TEST_CASE(returns_from_many_threads_lose_no_slab) {
  constexpr std::size_t count = 64;
  slab_pool pool{count};
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<slab_ref>> shares(4);
    for (std::size_t i = 0; i < count; ++i)
      shares[i % shares.size()].push_back(pool.take());
    BOOST_TEST_REQUIRE(!pool.take());
    std::vector<std::thread> threads;
    for (auto& share : shares)
      threads.emplace_back([s = std::move(share)]() mutable {
        auto copies = s;
        s.clear();
      });
    for (auto& t : threads)
      t.join();
    pool.collect();
    BOOST_TEST_REQUIRE(pool.in_use() == 0u);
  }
}

// collect() looks without the lock: for ThreadSanitizer (TONEL_SANITIZE=thread) above all.
BOOST_AUTO_TEST_CASE(collecting_while_other_threads_return_loses_no_slab) {
  constexpr std::size_t count = 64;
  slab_pool pool{count};
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<slab_ref>> shares(4);
    for (std::size_t i = 0; i < count; ++i) {
      shares[i % shares.size()].push_back(pool.take());
      shares[i % shares.size()].back().data()[0] = 1;
    }
    std::vector<std::thread> threads;
    for (auto& share : shares)
      threads.emplace_back([s = std::move(share)]() mutable {
        while (!s.empty())
          s.pop_back();
      });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (pool.in_use() != 0 && std::chrono::steady_clock::now() < deadline)
      pool.collect();
    for (auto& t : threads)
      t.join();
    BOOST_TEST_REQUIRE(pool.in_use() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(small_pieces_lie_one_after_the_other) {
  slab_pool pool{4};
  slab_writer w{pool};
  const auto a = w.append(view("one"));
  const auto b = w.append(view("three"));
  BOOST_TEST((a.slab == b.slab));
  BOOST_TEST(b.offset == 3u);
  BOOST_TEST(std::memcmp(b.bytes().data(), "three", 5) == 0);
  BOOST_TEST(b.datagram_size == 5u);
}

BOOST_AUTO_TEST_CASE(a_full_slab_is_followed_by_another) {
  slab_pool pool{2};
  slab_writer w{pool};
  w.reserve(slab_ref::capacity());
  const auto a = w.commit(slab_ref::capacity() - 10, 0);
  const auto b = w.append(view("eleven octe"));
  BOOST_TEST((a.slab != b.slab));
  BOOST_TEST_REQUIRE(w.reserve(slab_ref::capacity()).data() == nullptr);
  BOOST_TEST(!w.append(view(std::string(slab_ref::capacity(), 'x'))).slab);
}

BOOST_AUTO_TEST_CASE(an_open_slab_without_readers_starts_over) {
  slab_pool pool{1};
  slab_writer w{pool};
  for (int i = 0; i < 100; ++i) {
    const auto c = w.append(view(std::string(2000, 'x')));
    BOOST_TEST_REQUIRE(bool(c.slab));
    BOOST_TEST_REQUIRE(c.offset == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_chunk_at_the_front_can_be_lengthened) {
  slab_pool pool{1};
  slab_writer w{pool};
  auto c = w.append(view("ab"));
  BOOST_TEST(w.ends_at_front(c));
  std::memcpy(w.reserve(2).data(), "cd", 2);
  w.extend(c, 2);
  BOOST_TEST(c.length == 4u);
  BOOST_TEST(std::memcmp(c.bytes().data(), "abcd", 4) == 0);
  w.skip(1);
  BOOST_TEST(!w.ends_at_front(c));
}

BOOST_AUTO_TEST_CASE(the_reserve_takes_a_quarter_of_a_small_pool_at_most) {
  slab_pool pool{8};
  slab_writer w{pool};
  BOOST_TEST(w.stock(32) == 2u);
  BOOST_TEST(pool.in_use() == 2u);
  const auto* second = w.spare(1);
  const auto c = w.commit_spare(0, 5000, 1000);
  BOOST_TEST(c.datagram_size == 1000u);
  BOOST_TEST(w.spare(1) == second); // the others keep their places
  BOOST_TEST(w.stock(32) == 2u);
  BOOST_TEST(w.spare(1) == second);
}

BOOST_AUTO_TEST_CASE(single_large_reads_use_the_same_slabs_again_and_again) {
  slab_pool pool{256};
  slab_writer w{pool};
  std::set<const std::uint8_t*> used;
  for (int i = 0; i < 100; ++i) {
    BOOST_TEST(w.stock(32) == 32u);
    used.insert(w.spare(0));
    const auto c = w.commit_spare(0, 60'000, 1'400);
  }
  BOOST_TEST(used.size() <= 2u);
}

BOOST_AUTO_TEST_CASE(what_is_left_of_the_reserve_stands_in_front) {
  slab_pool pool{8};
  slab_writer w{pool};
  BOOST_TEST(w.stock(2) == 2u);
  const auto* second = w.spare(1);
  std::vector<slab_ref> all;
  while (auto s = pool.take())
    all.push_back(std::move(s));
  const auto c = w.commit_spare(0, 1, 1);
  BOOST_TEST(w.stock(2) == 1u);
  BOOST_TEST(w.spare(0) == second);
}

BOOST_AUTO_TEST_CASE(an_empty_pool_leaves_the_reserve_as_it_is) {
  slab_pool pool{8};
  slab_writer w{pool};
  BOOST_TEST(w.stock(1) == 1u);
  std::vector<slab_ref> all;
  while (auto s = pool.take())
    all.push_back(std::move(s));
  BOOST_TEST(w.stock(2) == 1u);
  const auto c = w.commit_spare(0, 1, 1);
  BOOST_TEST(w.stock(2) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
