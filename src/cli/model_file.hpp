// A saved run: recipe, progress and the objects of a net, as sections of a checkpoint.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <emmy/emmy.hpp>

#include "cli/options.hpp"
#include "io/checkpoint.hpp"

namespace emmy::app {

// Where a run stands.
struct Progress {
  std::int64_t step = 0;       // update steps done
  std::int32_t epoch = 0;      // epochs done
  std::uint32_t finished = 0;  // 1: constraint and fine-tuning are behind it
  Pcg32 rng{};                 // the order of the samples
  double learning_rate = 0;    // of the next step, where a governor sets it
};

// FNV-1a over what the bytes of the objects mean: scalar, shapes, blocks and buffers in order, padding.
template <class Net>
constexpr std::uint64_t layout_hash() {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  const auto mix = [&h](std::uint64_t v) {
    for (int i = 0; i < 8; ++i) h = (h ^ ((v >> (8 * i)) & 0xff)) * 0x100000001b3ULL;
  };
  mix(sizeof(typename Net::scalar));
  mix(kPadBytes);
  for (const auto& t : kPlan<Net>.tensor) {
    mix(static_cast<std::uint64_t>(t.positions));
    mix(static_cast<std::uint64_t>(t.channels));
  }
  for (const auto& b : kPlan<Net>.block) {
    mix(static_cast<std::uint64_t>(b.rows));
    mix(static_cast<std::uint64_t>(b.cols));
    mix(static_cast<std::uint64_t>(b.role));
    mix((b.trained ? 1 : 0) + (b.turned ? 2 : 0));
  }
  if constexpr (kPlan<Net>.buffers > 0)
    for (const int at : kPlan<Net>.buffer_offset) mix(static_cast<std::uint64_t>(at));
  return h;
}

template <class T>
io::Section section_of(std::string name, const T& object) {
  static_assert(std::is_trivially_copyable_v<T>);
  io::Section s{std::move(name), std::vector<std::byte>(sizeof(T))};
  std::memcpy(s.bytes.data(), &object, sizeof(T));
  return s;
}

// The section's bytes into `object`; an error where it is missing or of another size.
template <class T>
io::Result<io::Done> read_section(const io::Checkpoint& file, std::string_view path, std::string_view name, T& object) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto* bytes = file.find(name);
  if (bytes == nullptr || bytes->size() != sizeof(T))
    return io::Error{io::shown_path(path) + ": section " + std::string(name) + " is missing or has another size"};
  std::memcpy(&object, bytes->data(), sizeof(T));
  return io::Done{};
}

// The recipe as text (JSON) and back; the message of a bad one starts with `path`.
[[nodiscard]] io::Section section_of_recipe(const Recipe& recipe);
[[nodiscard]] io::Result<Recipe> read_recipe(const io::Checkpoint& file, std::string_view path);

}  // namespace emmy::app
