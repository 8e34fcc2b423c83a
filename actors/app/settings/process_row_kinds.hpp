#pragma once

#include "actors/app/settings/process_options.hpp"
#include "actors/app/settings/value_reader.hpp"

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace tonel::actors::app {

// Kinds of rows of the process, by how they are read and shown. `member` gives a reference into
// settings, constant or not.

template <class T> std::uint64_t count_of(const T& value) {
  if constexpr (std::is_arithmetic_v<T>)
    return value;
  else
    return static_cast<std::uint64_t>(value.count());
}

/// A number in the row's range.
template <class Member> process_row number(const option_row& row, Member member) {
  return {row,
          [row, member](reader& in, settings& out) {
            auto& value = member(out);
            value = static_cast<std::decay_t<decltype(value)>>(in.number(row.name));
          },
          [member](const settings& s) { return std::to_string(count_of(member(s))); }};
}

/// A number in the row's range, or "auto", which stands for the number `automatic`.
template <class Member>
process_row number_or_auto(const option_row& row, std::uint64_t automatic, Member member) {
  auto out = number(row, member);
  out.read = [row, automatic, member](reader& in, settings& s) {
    auto& value = member(s);
    value = static_cast<std::decay_t<decltype(value)>>(
        in.text(row.name) == "auto" ? automatic : in.number(row.name));
  };
  out.show = [automatic, show = out.show, member](const settings& s) {
    return count_of(member(s)) == automatic ? "auto" : show(s);
  };
  return out;
}

inline std::string on_off(bool value) { return value ? "on" : "off"; }

template <class Member> process_row flag(const option_row& row, Member member) {
  return {row, [row, member](reader& in, settings& out) { member(out) = in.given(row.name); },
          [member](const settings& s) { return on_off(member(s)); }};
}

/// Any text.
template <class Member> process_row text(const option_row& row, Member member) {
  return {
      row,
      [row, member](reader& in, settings& out) { member(out) = std::string{in.text(row.name)}; },
      [member](const settings& s) { return member(s); }};
}

/// One of the row's choices, in any case. The choices are an enumeration's, in its order.
template <class Member> process_row word(const option_row& row, Member member) {
  return {row,
          [row, member](reader& in, settings& out) {
            auto& value = member(out);
            if (const auto at = choice_of(row, lower_case(in.text(row.name))))
              value = static_cast<std::decay_t<decltype(value)>>(*at);
            else
              in.refuse(row.name, "must be " + choices_text(row));
          },
          [row, member](const settings& s) {
            return std::string{choice_at(row, static_cast<std::size_t>(member(s)))};
          }};
}

/// Adds a check after the row is read.
template <class F> process_row then(process_row row, F&& judge) {
  row.read = [read = std::move(row.read), judge = std::forward<F>(judge)](reader& in,
                                                                          settings& out) {
    read(in, out);
    judge(in, out);
  };
  return row;
}

/// An option that the parser of the command line handles.
inline process_row of_command_line(const option_row& row, option_heading group) {
  return {row.of(group, option_scope::command_line), {}, {}};
}

} // namespace tonel::actors::app
