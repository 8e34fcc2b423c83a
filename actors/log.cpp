#include "actors/log.hpp"

#include <boost/core/null_deleter.hpp>
#include <boost/log/attributes/clock.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sinks/text_ostream_backend.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/support/date_time.hpp>
#include <boost/log/trivial.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <system_error>

namespace tonel::actors {

namespace detail {

std::atomic<log_level> log_threshold{log_level::info};

} // namespace detail

namespace {

namespace blog = boost::log;
namespace expr = boost::log::expressions;
using severity = boost::log::trivial::severity_level;
using text_sink = blog::sinks::synchronous_sink<blog::sinks::text_ostream_backend>;

severity severity_of(log_level level) {
  switch (level) {
  case log_level::error: return blog::trivial::error;
  case log_level::warn: return blog::trivial::warning;
  case log_level::info: return blog::trivial::info;
  case log_level::debug: return blog::trivial::debug;
  case log_level::trace: return blog::trivial::trace;
  case log_level::off: break;
  }
  return blog::trivial::fatal;
}

/// The one sink of the process. Without it Boost.Log would write to stdout, so that the first line
/// makes it.
class log_output {
public:
  static log_output& instance() {
    static log_output one;
    return one;
  }
  void write_to(const boost::shared_ptr<std::ostream>& stream) {
    const auto sink = boost::make_shared<text_sink>();
    sink->locked_backend()->add_stream(stream);
    sink->locked_backend()->auto_flush(true);
    sink->set_formatter(expr::stream << expr::format_date_time<boost::posix_time::ptime>(
                                            "TimeStamp", "%Y-%m-%dT%H:%M:%S.%fZ")
                                     << ' ' << blog::trivial::severity << ' ' << expr::smessage);
    const auto core = blog::core::get();
    core->add_sink(sink);
    if (sink_) core->remove_sink(sink_);
    sink_ = sink;
  }

private:
  log_output() {
    blog::core::get()->add_global_attribute("TimeStamp", blog::attributes::utc_clock{});
    write_to(boost::shared_ptr<std::ostream>{&std::clog, boost::null_deleter{}});
  }
  boost::shared_ptr<text_sink> sink_;
};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string escaped(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    if (is_control(c)) {
      const auto octet = static_cast<unsigned char>(c);
      out += "\\x";
      out += digits[octet >> 4];
      out += digits[octet & 0xf];
    } else {
      out += c;
    }
  }
  return out;
}

} // namespace

void log_line(log_level level, std::string_view text) {
  if (!log_enabled(level)) return;
  log_output::instance();
  auto& logger = blog::trivial::logger::get();
  auto record = logger.open_record(blog::keywords::severity = severity_of(level));
  if (!record) return;
  blog::record_ostream stream{record};
  stream << escaped(text);
  stream.flush();
  logger.push_record(std::move(record));
}

std::optional<std::string> open_log(log_level level, const std::string& path) {
  if (!path.empty()) {
    errno = 0;
    // Appended to, so that a restart keeps the lines that tell why it was needed.
    const auto file = boost::make_shared<std::ofstream>(path, std::ios::out | std::ios::app);
    if (!file->is_open()) return std::generic_category().message(errno != 0 ? errno : EIO);
    log_output::instance().write_to(file);
  }
  detail::log_threshold.store(level, std::memory_order_relaxed);
  return {};
}

} // namespace tonel::actors
