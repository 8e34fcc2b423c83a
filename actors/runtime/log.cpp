#include "actors/runtime/log.hpp"

#include "system/line_writer.hpp"

#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/date_time/posix_time/time_formatters.hpp>
#include <boost/log/attributes/clock.hpp>
#include <boost/log/attributes/value_extraction.hpp>
#include <boost/log/core.hpp>
#include <boost/log/core/record_view.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sources/record_ostream.hpp>
#include <boost/log/trivial.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

namespace tonel::actors {

namespace detail {

std::atomic<log_level> log_threshold{log_level::info};

} // namespace detail

namespace {

namespace blog = boost::log;
using severity = boost::log::trivial::severity_level;

// Limits for lines of one kind: at once as many as a start with a hundred tunnels may need, then
// one in ten seconds, which is about a megabyte a day.
constexpr std::uint32_t lines_at_once = 200;
constexpr std::chrono::seconds line_each{10};
// How long a reader of the log is waited for when the process ends or goes into the background.
constexpr std::chrono::seconds reader_patience{2};

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

/// The priority, as in sd-daemon.h and syslog.
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

// Names of a record's attributes.
constexpr const char* time_name = "TimeStamp";
constexpr const char* component_name = "Component";
constexpr const char* suppressed_name = "Suppressed";

/// The parts of a line.
struct line_parts {
  boost::posix_time::ptime time;
  severity level = blog::trivial::info;
  std::string component, message;
  std::uint64_t suppressed = 0;
};

std::string time_text(const boost::posix_time::ptime& at) {
  auto text = boost::posix_time::to_iso_extended_string(at);
  if (text.find('.') == std::string::npos) text += ".000000"; // Boost leaves zeros out
  return text + 'Z';
}

std::string text_line(const line_parts& parts, bool journal) {
  std::string out;
  if (!journal) out = time_text(parts.time) + ' ' + blog::trivial::to_string(parts.level) + ' ';
  out += escaped(parts.message);
  if (parts.suppressed > 0)
    out += " (" + std::to_string(parts.suppressed) + " more like this were left out)";
  return out;
}

std::string json_line(const line_parts& parts) {
  nlohmann::ordered_json line;
  line["time"] = time_text(parts.time);
  line["level"] = blog::trivial::to_string(parts.level);
  line["component"] = parts.component;
  line["message"] = parts.message;
  if (parts.suppressed > 0) line["suppressed"] = parts.suppressed;
  // Text from elsewhere may not be UTF-8, but JSON has to be.
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// Passes lines to the writer, and so never waits for a reader of the log.
class line_backend : public blog::sinks::basic_formatted_sink_backend<char> {
public:
  explicit line_backend(sys::line_writer& writer) : writer_(writer) {}
  void consume(const blog::record_view&, const std::string& line) { writer_.write(line); }

private:
  sys::line_writer& writer_;
};
using line_sink = blog::sinks::synchronous_sink<line_backend>;

/// The only sink of the process, made at the first line, since Boost.Log writes to stdout without
/// one.
class log_output {
public:
  /// Never destroyed: the writer's thread may outlive main(), if it waits for a reader.
  static log_output& instance() {
    static auto& one = *new log_output;
    return one;
  }
  std::optional<std::string> open(const log_settings& wanted) {
    if (const auto done = writer_.open(wanted.path); !done) return reason(done.error());
    const std::lock_guard<std::mutex> guard{mutex_};
    settings_ = wanted;
    return {};
  }
  std::optional<std::uint64_t> admit(log_place place) {
    const std::lock_guard<std::mutex> guard{mutex_};
    return limit_.admit(settings_.limited ? place : log_place{}, std::chrono::steady_clock::now());
  }
  bool to_file() const {
    const std::lock_guard<std::mutex> guard{mutex_};
    return !settings_.path.empty();
  }
  sys::line_writer& writer() noexcept { return writer_; }
  static std::string reason(const sys::os_error& error) {
    return std::generic_category().message(error.number);
  }

private:
  log_output()
      : writer_(sys::real_kernel(), [this](std::uint64_t lines) { return lost_line(lines); }),
        sink_(boost::make_shared<line_sink>(boost::make_shared<line_backend>(writer_))) {
    const auto core = blog::core::get();
    core->add_global_attribute(time_name, blog::attributes::utc_clock{});
    sink_->set_formatter([this](const blog::record_view& record, blog::formatting_ostream& out) {
      out << format(parts_of(record));
    });
    core->add_sink(sink_);
  }
  static line_parts parts_of(const blog::record_view& record) {
    line_parts out;
    out.time = blog::extract_or_default<boost::posix_time::ptime>(time_name, record, out.time);
    out.level = blog::extract_or_default<severity>("Severity", record, out.level);
    out.component = blog::extract_or_default<std::string>(component_name, record, out.component);
    out.message = blog::extract_or_default<std::string>("Message", record, out.message);
    out.suppressed =
        blog::extract_or_default<std::uint64_t>(suppressed_name, record, out.suppressed);
    return out;
  }
  std::string format(const line_parts& parts) const {
    bool journal = false, json = false;
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      journal = settings_.journal && settings_.path.empty();
      json = settings_.format == log_format::json;
    }
    return (journal ? '<' + std::to_string(priority_of(parts.level)) + '>' : std::string{}) +
           (json ? json_line(parts) : text_line(parts, journal));
  }
  std::string lost_line(std::uint64_t lines) const {
    line_parts parts;
    parts.time = boost::posix_time::microsec_clock::universal_time();
    parts.level = blog::trivial::warning;
    parts.component = "log";
    parts.message = std::to_string(lines) + (lines == 1 ? " log line was" : " log lines were") +
                    " lost, since the log could not be written";
    return format(parts);
  }

  mutable std::mutex mutex_;
  log_settings settings_;
  log_limit limit_{lines_at_once, line_each};
  sys::line_writer writer_;
  boost::shared_ptr<line_sink> sink_;
};

} // namespace

std::string escaped(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      out += "\\x";
      out += digits[octet >> 4];
      out += digits[octet & 0xf];
    } else {
      out += c;
    }
  }
  return out;
}

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

void reopen_log() {
  log_output::instance().writer().reopen([](const sys::os_error& error) {
    log_error("the log's file cannot be opened: ", log_output::reason(error));
  });
}

void log_commands(const std::vector<std::string>& commands) {
  if (!log_enabled(log_level::info)) return;
  auto& output = log_output::instance();
  const bool file = output.to_file();
  for (const auto& command : commands) {
    if (file)
      log_line(log_level::info, {}, "  " + command);
    else
      output.writer().write("  " + command);
  }
}

bool log_goes_to_a_file() { return log_output::instance().to_file(); }

std::uint64_t log_lines_lost() { return log_output::instance().writer().lost(); }

void flush_log() { log_output::instance().writer().flush(reader_patience); }

log_thread::log_thread() { log_output::instance().writer().start(); }

log_thread::~log_thread() { log_output::instance().writer().stop(reader_patience); }

void set_log_component(std::string_view name) { component() = name; }

} // namespace tonel::actors
