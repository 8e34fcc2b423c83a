#include "system/fake/virtual_time_kernel.hpp"
#include "system/line_writer.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>

using namespace tonel::sys;
using namespace std::chrono_literals;

namespace {

/// Somebody who reads stderr, or does not.
class reader : public virtual_time_kernel {
public:
  long write(int, const void* buffer, std::size_t size) noexcept override {
    std::unique_lock guard{lock_};
    ++asked_;
    changed_.notify_all();
    // As a pipe that nobody reads; the limit is for a test that fails.
    changed_.wait_for(guard, 20s, [this] { return reads_; });
    if (!answers.empty()) {
      const long next = answers.front();
      answers.pop_front();
      if (next < 0) return next;
      size = std::min(size, static_cast<std::size_t>(next));
    }
    text_.append(static_cast<const char*>(buffer), size);
    return static_cast<long>(size);
  }
  void sleep(std::int64_t) noexcept override { ++rests; }

  void stop_reading() {
    const std::lock_guard guard{lock_};
    reads_ = false;
  }
  void read_again() {
    const std::lock_guard guard{lock_};
    reads_ = true;
    changed_.notify_all();
  }
  /// Until so many writes have begun.
  bool await_writes(std::size_t count) {
    std::unique_lock guard{lock_};
    return changed_.wait_for(guard, 10s, [&] { return asked_ >= count; });
  }
  std::string text() {
    const std::lock_guard guard{lock_};
    return text_;
  }

  std::deque<long> answers; ///< of the next writes: octets taken or an error
  int rests = 0;

private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::string text_;
  std::size_t asked_ = 0;
  bool reads_ = true;
};

std::string lost_text(std::uint64_t lines) { return std::to_string(lines) + " lost"; }

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

} // namespace

BOOST_AUTO_TEST_SUITE(line_writer_test)

BOOST_AUTO_TEST_CASE(without_a_thread_a_line_is_written_at_once) {
  reader os;
  line_writer writer{os, lost_text};
  writer.write("one");
  BOOST_TEST(os.text() == "one\n");
  writer.write("two");
  BOOST_TEST(os.text() == "one\ntwo\n");
}

BOOST_AUTO_TEST_CASE(nobody_waits_for_a_reader_that_does_not_read) {
  reader os;
  line_writer writer{os, lost_text, {3, 1'000}};
  writer.start();
  os.stop_reading();
  writer.write("written"); // and not taken
  BOOST_TEST_REQUIRE(os.await_writes(1));
  for (const auto* line : {"a", "b", "c", "d", "e"})
    writer.write(line);
  BOOST_TEST(writer.lost() == 2u);
  BOOST_TEST(!writer.flush(1ms));
  os.read_again();
  BOOST_TEST(writer.flush(10s));
  BOOST_TEST(os.text() == "written\na\nb\nc\n2 lost\n");
  writer.write("f");
  BOOST_TEST(writer.flush(10s));
  BOOST_TEST(os.text() == "written\na\nb\nc\n2 lost\nf\n");
  BOOST_TEST(writer.lost() == 2u);
}

BOOST_AUTO_TEST_CASE(what_was_lost_is_told_where_it_was_lost) {
  reader os;
  line_writer writer{os, lost_text, {2, 1'000}};
  os.stop_reading();
  writer.start();
  writer.write("a");
  BOOST_TEST_REQUIRE(os.await_writes(1));
  for (const auto* line : {"b", "c", "d"})
    writer.write(line);
  os.read_again();
  BOOST_TEST_REQUIRE(os.await_writes(2));
  BOOST_TEST_REQUIRE(writer.flush(10s));
  os.stop_reading();
  writer.write("e");
  BOOST_TEST_REQUIRE(os.await_writes(5));
  os.read_again();
  BOOST_TEST_REQUIRE(writer.flush(10s));
  BOOST_TEST(os.text() == "a\nb\nc\n1 lost\ne\n");
}

BOOST_AUTO_TEST_CASE(octets_that_wait_are_bounded_too) {
  reader os;
  line_writer writer{os, lost_text, {100, 10}};
  writer.start();
  os.stop_reading();
  writer.write("a");
  BOOST_TEST_REQUIRE(os.await_writes(1));
  writer.write("12345");
  writer.write("123456"); // one too many
  writer.write("12345");
  os.read_again();
  BOOST_TEST(writer.flush(10s));
  BOOST_TEST(os.text() == "a\n12345\n1 lost\n12345\n");
}

BOOST_AUTO_TEST_CASE(the_end_writes_what_waits) {
  reader os;
  line_writer writer{os, lost_text};
  os.stop_reading();
  writer.start();
  for (int i = 0; i < 100; ++i)
    writer.write("line");
  os.read_again();
  writer.stop(10s);
  BOOST_TEST(os.text().size() == 500u);
  writer.write("last"); // the thread is gone
  BOOST_TEST(os.text().size() == 505u);
  writer.start();
  writer.write("more");
  writer.stop(10s);
  BOOST_TEST(os.text().size() == 510u);
}

BOOST_AUTO_TEST_CASE(the_end_gives_a_reader_up_that_does_not_read) {
  static auto& os = *new reader; // the thread outlives the test
  {
    line_writer writer{os, lost_text};
    os.stop_reading();
    writer.start();
    writer.write("a");
    BOOST_TEST_REQUIRE(os.await_writes(1));
    const auto began = std::chrono::steady_clock::now();
    writer.stop(100ms);
    BOOST_TEST(seconds_since(began) < 5.0);
    writer.write("b"); // and does not wait either
    BOOST_TEST(writer.lost() == 1u);
  }
  os.read_again();
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_counted_and_told_later) {
  reader os;
  line_writer writer{os, lost_text};
  os.answers = {-ENOSPC, -ENOSPC, -ENOSPC};
  writer.write("a");
  writer.write("b"); // its first try is the line that tells of the one before
  BOOST_TEST(os.text().empty());
  BOOST_TEST(writer.lost() == 2u);
  writer.write("c");
  BOOST_TEST(os.text() == "2 lost\nc\n");
}

BOOST_AUTO_TEST_CASE(a_line_that_was_torn_does_not_run_into_the_next) {
  reader os;
  line_writer writer{os, lost_text};
  os.answers = {3, -ENOSPC};
  writer.write("abcdef");
  writer.write("next");
  BOOST_TEST(os.text() == "abc\n1 lost\nnext\n");
}

BOOST_AUTO_TEST_CASE(a_short_write_goes_on) {
  reader os;
  line_writer writer{os, lost_text};
  os.answers = {3, 1};
  writer.write("abcdef");
  BOOST_TEST(os.text() == "abcdef\n");
}

BOOST_AUTO_TEST_CASE(a_non_blocking_descriptor_is_asked_again) {
  reader os;
  line_writer writer{os, lost_text};
  os.answers = {-EAGAIN, -EAGAIN};
  writer.write("a");
  BOOST_TEST(os.text() == "a\n");
  BOOST_TEST(os.rests == 2);
  BOOST_TEST(writer.lost() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
