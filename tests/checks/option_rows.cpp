// Prints the rows of all options as JSON: what derived.py compares completions and documentation with.
#include "actors/app/settings/option_table.hpp"

#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

using json = nlohmann::ordered_json;

const char* scope_name(option_scope scope) {
  switch (scope) {
  case option_scope::process: return "process";
  case option_scope::tunnel: return "tunnel";
  case option_scope::command_line: return "command_line";
  }
  return "";
}

json words(const char* text) {
  json out = json::array();
  std::istringstream in{text};
  for (std::string word; in >> word;)
    out.push_back(word);
  return out;
}

json both(const by_role& text) { return {text.of(role::client), text.of(role::server)}; }

} // namespace

int main() {
  json out = json::array();
  for (const auto& group : option_groups())
    for (const auto& row : group.options)
      out.push_back({{"name", row.name},
                     {"letter", row.letter != 0 ? std::string{row.letter} : std::string{}},
                     {"group", group.title},
                     {"scope", scope_name(row.scope)},
                     {"argument", both(row.argument)},
                     {"preset", both(row.preset)},
                     {"text", both(row.text)},
                     {"choices", words(row.choices)}});
  std::cout << out.dump(1) << '\n';
}
