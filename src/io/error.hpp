#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace emmy::io {

// What went wrong, as one line of text for the user: no newline, no control character.
struct Error {
  std::string message;
};

// The value of an operation that has nothing to return but success.
struct Done {};

// A value or the reason why there is none. Bad input is normal, so readers return this instead of throwing;
// asking for the side that is absent is a bug of the caller and throws std::bad_variant_access.
template <class Value>
class [[nodiscard]] Result {
 public:
  Result(Value value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] Value& value() & { return std::get<0>(state_); }
  [[nodiscard]] const Value& value() const& { return std::get<0>(state_); }
  [[nodiscard]] Value&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] Value& operator*() & { return value(); }
  [[nodiscard]] const Value& operator*() const& { return value(); }
  [[nodiscard]] Value* operator->() { return &value(); }
  [[nodiscard]] const Value* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<Value, Error> state_;
};

// `text` in double quotes, at most `limit` of its bytes, everything but printable ASCII as \xNN, "..." where it was
// cut.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t limit = 24);

// A file name as it is shown in messages: control characters as \xNN, the rest (UTF-8 included) unchanged.
[[nodiscard]] std::string shown_path(std::string_view path);

}  // namespace emmy::io
