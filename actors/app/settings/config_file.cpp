#include "actors/app/settings/config_file.hpp"

#include "actors/app/settings/options.hpp"
#include "actors/app/settings/value_rules.hpp"
#include "system/private_file.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

namespace tonel::actors::app {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view blanks = " \t\r";
constexpr std::size_t longest_name = 32;
constexpr std::size_t largest_file = std::size_t{4} << 20;
// Some editors begin a file with it.
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
    if (at == 0 || blanks.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  return line;
}

/// The name in [tunnel.NAME]; none: no such header.
std::optional<std::string> tunnel_name(std::string_view header) {
  constexpr std::string_view prefix = "[tunnel.";
  if (header.size() <= prefix.size() + 1 || header.substr(0, prefix.size()) != prefix ||
      header.back() != ']')
    return {};
  const auto name = header.substr(prefix.size(), header.size() - prefix.size() - 1);
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (name.size() > longest_name || !std::all_of(name.begin(), name.end(), fits)) return {};
  return std::string{name};
}

std::optional<bool> truth(std::string_view text) {
  for (const auto* yes : {"yes", "true", "on", "1"})
    if (text == yes) return true;
  for (const auto* no : {"no", "false", "off", "0"})
    if (text == no) return false;
  return {};
}

std::string reason(const sys::os_error& error) {
  if (error.number == EFBIG) return "it is larger than 4 MiB";
  if (error.number == ETIMEDOUT) return "nobody writes into this pipe, or it does not end";
  return std::generic_category().message(error.number);
}

/// Reads the files one after the other.
class file_reader {
public:
  explicit file_reader(role side) : side_{side} {}
  void read(const std::string& path);
  void read_folder(const std::string& folder);
  config_files take() { return std::move(out_); }

private:
  enum class section : std::uint8_t { process, tunnel, unknown };

  void header(std::string_view line);
  void assignment(const std::string& line);
  void take(const option_row& option, std::string value);
  std::string place() const { return path_ + ":" + std::to_string(line_); }
  void refuse(std::string option, std::string value, std::string problem) {
    out_.errors.push_back({std::move(option), std::move(value), std::move(problem), place()});
  }

  role side_;
  std::string path_;
  std::size_t line_ = 0;
  section in_ = section::process;
  bool private_ = true; ///< only owner and group can read the file
  config_files out_;
};

void file_reader::read(const std::string& path) {
  path_ = path;
  line_ = 0;
  in_ = section::process;
  const auto content = sys::read_named_file(path, largest_file);
  if (!content) {
    out_.errors.push_back({"--config", path, "cannot be read: " + reason(content.error()), {}});
    return;
  }
  private_ = !sys::open_to_all(path);
  std::string_view left{*content};
  if (left.substr(0, byte_order_mark.size()) == byte_order_mark)
    left.remove_prefix(byte_order_mark.size());
  while (!left.empty()) {
    const auto end = std::min(left.find('\n'), left.size());
    const auto text = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    ++line_;
    const auto line = trimmed(without_comment(text));
    if (line.empty()) continue;
    if (line.front() == '[')
      header(line);
    else
      assignment(std::string{line});
  }
}

void file_reader::read_folder(const std::string& folder) {
  std::error_code failed;
  std::vector<std::string> names;
  for (fs::directory_iterator it{folder, failed}, end; !failed && it != end; it.increment(failed)) {
    const auto& path = it->path();
    if (path.extension() == ".conf" && path.filename().string().front() != '.')
      names.push_back(path.string());
  }
  if (failed && failed != std::errc::no_such_file_or_directory)
    out_.errors.push_back({"--config", folder, "cannot be read: " + failed.message(), {}});
  std::sort(names.begin(), names.end());
  for (const auto& name : names)
    read(name);
}

void file_reader::header(std::string_view line) {
  in_ = section::unknown;
  const auto name = tunnel_name(line);
  if (!name) {
    refuse(std::string{line}, "",
           "must be [tunnel.NAME], the name of up to 32 letters, digits, '.', '-' and '_'");
    return;
  }
  const auto before = std::find_if(out_.tunnels.begin(), out_.tunnels.end(),
                                   [&](const auto& t) { return t.name == *name; });
  if (before != out_.tunnels.end()) {
    refuse(std::string{line}, "", "stands at " + before->place + " already");
    return;
  }
  in_ = section::tunnel;
  out_.tunnels.push_back({*name, place(), {}});
}

void file_reader::assignment(const std::string& line) {
  const auto parsed = parse_assignment(line);
  if (!parsed) {
    refuse(line.substr(0, line.find_first_of(" \t=")), "", "must be followed by = and a value");
    return;
  }
  const auto& [key, value] = *parsed;
  const auto* option = find_option(key);
  if (option == nullptr) {
    refuse(key, "", "is not an option");
  } else if (option->scope == option_scope::command_line) {
    refuse(key, "", "can stand on the command line alone");
  } else if (in_ == section::tunnel && option->scope != option_scope::tunnel) {
    refuse(key, "", "is for the whole process: it must stand before the first [tunnel.NAME]");
  } else if (in_ != section::unknown) {
    take(*option, value);
  }
}

void file_reader::take(const option_row& option, std::string value) {
  auto& values = in_ == section::tunnel ? out_.tunnels.back().values : out_.process;
  const auto argument = option.argument.of(side_);
  const std::string_view name = option.name;
  if (const auto before = values.find(name); before != values.end()) {
    refuse(option.name, "", "is given more than once, at " + before->second.place + " too");
    return;
  }
  if (argument.empty()) {
    const auto on = truth(value);
    if (!on) refuse(option.name, value, "must be yes or no");
    // "no" is the default of every flag: kept to notice repeats.
    values.emplace(option.name, placed_value{on.value_or(false) ? "" : "no", place()});
    return;
  }
  if (value.empty()) {
    refuse(option.name, "", "needs a value");
    return;
  }
  if (option.secret && !private_)
    refuse(option.name, "",
           "must not stand in a file that everybody can read: chmod o-rwx it, or use " +
               std::string{name} + "-file");
  if (argument == "PATH" && !is_choice(option, value))
    value = fs::absolute(fs::path{path_}.parent_path() / value).lexically_normal().string();
  values.emplace(option.name, placed_value{std::move(value), place()});
}

} // namespace

config_files read_config_files(role side, const std::string& path) {
  file_reader reader{side};
  reader.read(path);
  const fs::path whole{path};
  auto folder = whole.extension() == ".conf" ? whole.parent_path() / whole.stem() : whole;
  folder += ".d";
  reader.read_folder(folder.string());
  return reader.take();
}

} // namespace tonel::actors::app
