#include "actors/log.hpp"

#include <boost/core/null_deleter.hpp>
#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/date_time/posix_time/time_formatters.hpp>
#include <boost/log/attributes/clock.hpp>
#include <boost/log/attributes/value_extraction.hpp>
#include <boost/log/core.hpp>
#include <boost/log/core/record_view.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sinks/text_ostream_backend.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/trivial.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>

namespace tonel::actors {

namespace detail {

std::atomic<log_level> log_threshold{log_level::info};

} // namespace detail

namespace {

namespace blog = boost::log;
using severity = boost::log::trivial::severity_level;
using text_sink = blog::sinks::synchronous_sink<blog::sinks::text_ostream_backend>;

// Of a kind: as many at once as a start with a hundred tunnels has reason for, then one in ten
// seconds, which is about a megabyte a day.
constexpr std::uint32_t lines_at_once = 200;
constexpr std::chrono::seconds line_each{10};

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

/// Of sd-daemon.h, which are those of syslog.
int priority_of(severity level) {
  switch (level) {
  case blog::trivial::error:
  case blog::trivial::fatal: return 3;
  case blog::trivial::warning: return 4;
  case blog::trivial::info: return 6;
  case blog::trivial::debug:
  case blog::trivial::trace: break;
  }
  return 7;
}

std::string& component() {
  static thread_local std::string name{"main"};
  return name;
}

// Attributes of a record.
constexpr const char* time_name = "TimeStamp";
constexpr const char* component_name = "Component";
constexpr const char* suppressed_name = "Suppressed";

std::string time_text(const blog::record_view& record) {
  const auto at = blog::extract<boost::posix_time::ptime>(time_name, record);
  if (!at) return {};
  auto text = boost::posix_time::to_iso_extended_string(*at);
  if (text.find('.') == std::string::npos) text += ".000000"; // which it leaves out
  return text + 'Z';
}

void format_text(const blog::record_view& record, bool journal, std::string& out) {
  if (!journal) {
    out += time_text(record) + ' ';
    out += blog::trivial::to_string(*blog::extract<severity>("Severity", record));
    out += ' ';
  }
  out += escaped(*blog::extract<std::string>("Message", record));
  if (const auto suppressed = blog::extract<std::uint64_t>(suppressed_name, record))
    out += " (" + std::to_string(*suppressed) + " more like this were left out)";
}

void format_json(const blog::record_view& record, std::string& out) {
  nlohmann::ordered_json line;
  line["time"] = time_text(record);
  line["level"] = blog::trivial::to_string(*blog::extract<severity>("Severity", record));
  line["component"] = *blog::extract<std::string>(component_name, record);
  line["message"] = *blog::extract<std::string>("Message", record);
  if (const auto suppressed = blog::extract<std::uint64_t>(suppressed_name, record))
    line["suppressed"] = *suppressed;
  // Text from elsewhere need not be UTF-8; JSON has to be.
  out += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// Opened for appending, so that a restart keeps the lines that tell why it was needed.
boost::shared_ptr<std::ostream> open_file(const std::string& path, std::string& problem) {
  errno = 0;
  auto file = boost::make_shared<std::ofstream>(path, std::ios::out | std::ios::app);
  if (file->is_open()) return file;
  problem = std::generic_category().message(errno != 0 ? errno : EIO);
  return nullptr;
}

/// The one sink of the process. Without it Boost.Log would write to stdout, so that the first line
/// makes it.
class log_output {
public:
  static log_output& instance() {
    static log_output one;
    return one;
  }
  std::optional<std::string> open(const log_settings& wanted) {
    auto stream = standard_error();
    std::string problem;
    if (!wanted.path.empty()) stream = open_file(wanted.path, problem);
    if (!stream) return problem;
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      path_ = wanted.path;
      limited_ = wanted.limited;
    }
    sink_->set_formatter(formatter(wanted));
    write_to(stream);
    return {};
  }
  std::optional<std::string> reopen() {
    std::string path;
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      path = path_;
    }
    if (path.empty()) return {};
    std::string problem;
    const auto stream = open_file(path, problem);
    if (!stream) return problem;
    write_to(stream);
    return {};
  }
  std::optional<std::uint64_t> admit(log_place place) {
    const std::lock_guard<std::mutex> guard{mutex_};
    return limit_.admit(limited_ ? place : log_place{}, std::chrono::steady_clock::now());
  }

private:
  log_output() : sink_(boost::make_shared<text_sink>()) {
    const auto core = blog::core::get();
    core->add_global_attribute(time_name, blog::attributes::utc_clock{});
    sink_->locked_backend()->auto_flush(true);
    sink_->set_formatter(formatter({}));
    write_to(standard_error());
    core->add_sink(sink_);
  }
  static boost::shared_ptr<std::ostream> standard_error() {
    return {&std::clog, boost::null_deleter{}};
  }
  static text_sink::formatter_type formatter(const log_settings& wanted) {
    return [format = wanted.format, journal = wanted.journal && wanted.path.empty()](
               const blog::record_view& record, blog::formatting_ostream& out) {
      std::string line;
      if (journal)
        line =
            '<' + std::to_string(priority_of(*blog::extract<severity>("Severity", record))) + '>';
      if (format == log_format::json)
        format_json(record, line);
      else
        format_text(record, journal, line);
      out << line;
    };
  }
  void write_to(const boost::shared_ptr<std::ostream>& stream) {
    const auto backend = sink_->locked_backend();
    if (stream_) backend->remove_stream(stream_);
    backend->add_stream(stream);
    stream_ = stream;
  }

  boost::shared_ptr<text_sink> sink_;
  boost::shared_ptr<std::ostream> stream_; ///< under the lock of the sink's backend
  std::mutex mutex_;
  std::string path_;
  bool limited_ = true;
  log_limit limit_{lines_at_once, line_each};
};

} // namespace

void log_line(log_level level, log_place place, std::string_view text) {
  if (!log_enabled(level)) return;
  const auto left_out = log_output::instance().admit(place);
  if (!left_out) return;
  auto& logger = blog::trivial::logger::get();
  auto record = logger.open_record(blog::keywords::severity = severity_of(level));
  if (!record) return;
  auto& attributes = record.attribute_values();
  attributes.insert(component_name, blog::attributes::make_attribute_value(component()));
  if (*left_out > 0)
    attributes.insert(suppressed_name, blog::attributes::make_attribute_value(*left_out));
  blog::record_ostream stream{record};
  stream << text;
  stream.flush();
  logger.push_record(std::move(record));
}

std::optional<std::string> open_log(const log_settings& wanted) {
  if (auto problem = log_output::instance().open(wanted)) return problem;
  detail::log_threshold.store(wanted.level, std::memory_order_relaxed);
  return {};
}

std::optional<std::string> reopen_log() { return log_output::instance().reopen(); }

void set_log_component(std::string_view name) { component() = name; }

} // namespace tonel::actors
