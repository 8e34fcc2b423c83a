#include "actors/app/settings/option_table.hpp"

#include "actors/app/settings/process_options.hpp"
#include "actors/app/settings/value_rules.hpp"
#include "actors/runtime/log.hpp"
#include "actors/shard/tunnel_config.hpp"

namespace tonel::actors::app {

namespace {

constexpr std::size_t text_column = 31;
constexpr std::size_t line_width = 80;

constexpr const char* titles[] = {"Tunnel",  "TUN device", "Firewall", "Limits",
                                  "Logging", "Status",     "Process",  "Other"};

std::vector<option_group> make_groups() {
  std::vector<option_group> out;
  for (const auto* title : titles)
    out.push_back({title, {}});
  const auto add = [&](const option_row& row) {
    out[static_cast<std::size_t>(row.group)].options.push_back(row);
  };
  for (const auto& row : tunnel_rows)
    add(row.option);
  for (const auto& row : process_rows())
    add(row.option);
  return out;
}

/// Appends a text, wrapped at blanks; further lines are indented to the column of texts.
void append_wrapped(std::string& out, std::string_view text) {
  std::size_t column = text_column;
  while (!text.empty()) {
    const auto blank = text.find(' ');
    const auto word = text.substr(0, blank);
    text = blank == std::string_view::npos ? std::string_view{} : text.substr(blank + 1);
    if (column > text_column && column + 1 + word.size() > line_width) {
      out += '\n';
      out.append(text_column, ' ');
      column = text_column;
    } else if (column > text_column) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  out += '\n';
}

void append_option(std::string& out, const option_row& option, role side) {
  std::string head = "  ";
  if (option.letter != 0) {
    head += '-';
    head += option.letter;
    head += ", --";
  } else {
    head += "    --";
  }
  head += option.name;
  const auto argument = option.argument.of(side);
  if (!argument.empty()) {
    head += ' ';
    head += argument;
  }
  out += head;
  if (head.size() + 2 > text_column) {
    out += '\n';
    out.append(text_column, ' ');
  } else {
    out.append(text_column - head.size(), ' ');
  }
  std::string text{option.text.of(side)};
  const auto preset = option.preset.of(side);
  if (option.most != 0) {
    text += " (" + range_text(option) + ")";
  }
  if (!preset.empty()) {
    text += " [";
    text += preset;
    text += ']';
  }
  append_wrapped(out, text);
}

} // namespace

const std::vector<option_group>& option_groups() {
  static const auto groups = make_groups();
  return groups;
}

const option_row* find_option(std::string_view name) {
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      if (name == option.name) return &option;
    }
  }
  return nullptr;
}

option_scope scope_of(std::string_view name) {
  const auto* row = find_option(name);
  return row != nullptr ? row->scope : option_scope::process;
}

std::string_view program_name(role side) { return side == role::client ? "tonelc" : "tonels"; }

std::string help_text(role side) {
  std::string out;
  if (side == role::client) {
    out += "tonelc: carries UDP datagrams to a tonels in packets that look like TCP\n\n"
           "usage: tonelc --local IP:PORT --remote HOST:PORT [OPTION]...\n       tonelc --config "
           "FILE [OPTION]...\n";
  } else {
    out += "tonels: turns the TCP-looking packets of tonelc back into UDP datagrams\n\n"
           "usage: tonels --local PORT --remote HOST:PORT [OPTION]...\n       tonels --config FILE "
           "[OPTION]...\n";
  }
  for (const auto& group : option_groups()) {
    out += '\n';
    out += group.title;
    out += ":\n";
    for (const auto& option : group.options)
      append_option(out, option, side);
  }
  out += "\nThe default of an option stands in [brackets]. Exit status: 2 for wrong options,\n"
         "before anything on the host is changed; 1 for another failure.\n";
  return out;
}

std::string option_error::to_string() const {
  std::string out = place.empty() ? "" : escaped(place) + ": ";
  out += escaped(option);
  if (!value.empty()) {
    if (!out.empty()) out += ' ';
    out += escaped(value);
  }
  return out + ": " + problem;
}

std::string error_text(role side, const std::vector<option_error>& errors) {
  const std::string program{program_name(side)};
  std::string out;
  for (const auto& error : errors)
    out += program + ": " + error.to_string() + "\n";
  return out + "'" + program + " --help' lists the options and what they allow.\n";
}

} // namespace tonel::actors::app
