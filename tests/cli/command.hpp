// Runs the emmy command (or a compiler) as a user does, and reads what it leaves behind.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <dispatch/cpu.hpp>
#include <filesystem>
#include <io/digits.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <tests/io/temporary_folder.hpp>

namespace emmy::cli {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

inline Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Was emmy train built for this target, and does this CPU have it?
inline bool has_target(const std::string& target) {
  std::istringstream targets(EMMY_CLI_TARGETS);
  for (std::string name; targets >> name;)
    if (name == target) return cpu_supports(name.c_str());
  return false;
}

struct Outcome {
  int status = -1;  // exit status; 128 + signal where one ended it
  std::string out, err;
};

class Folder : public io::TemporaryFolder {
 public:
  [[nodiscard]] bool has(std::string_view name) const { return std::filesystem::exists(path(name)); }
  [[nodiscard]] Json json(std::string_view name) const { return Json::parse(get(name)); }
};

// Runs `program` with `words`; EMMY_TARGET is `target` there, and unset where that is empty. No shell takes part.
inline Outcome run(const std::string& program, const Words& words, const std::string& target = "") {
  const Folder streams;
  std::vector<std::string> storage = {program};
  storage.insert(storage.end(), words.begin(), words.end());
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v)
    if (!std::string_view(*v).starts_with("EMMY_TARGET=")) variables.emplace_back(*v);
  if (!target.empty()) variables.push_back("EMMY_TARGET=" + target);
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
  };
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  const std::string out = streams.path("out"), err = streams.path("err");
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), kWrite, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), kWrite, 0600);
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, program.c_str(), &files, nullptr, pointers(storage).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&files);
  int state = 0;
  if (failed != 0 || waitpid(child, &state, 0) != child) throw std::runtime_error("cannot run " + program);
  return {WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state), streams.get("out"), streams.get("err")};
}

inline Outcome emmy(const Words& words, const std::string& target = "") { return run(EMMY_COMMAND, words, target); }

inline std::string shown(const Words& words) {
  std::string text = "emmy";
  for (const std::string& word : words) text += " '" + word + "'";
  return text;
}

// A run that must succeed without a word on stderr.
inline std::string expect_done(const Words& words, const std::string& target = "") {
  const Outcome o = emmy(words, target);
  EXPECT_EQ(o.status, 0) << shown(words) << "\n" << o.out << o.err;
  EXPECT_EQ(o.err, "") << shown(words);
  return o.out;
}

// A run that must be refused: status 2, one line on stderr that holds `text`, and nothing new in `folder`.
inline void expect_refused(const Words& words, const std::string& text, const Folder& folder,
                           const std::string& target = "") {
  const long before = folder.files();
  const Outcome o = emmy(words, target);
  EXPECT_EQ(o.status, 2) << shown(words) << "\n" << o.out << o.err;
  EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << shown(words) << "\n" << o.err;
  EXPECT_TRUE(o.err.starts_with("emmy: ") && o.err.ends_with('\n')) << shown(words) << "\n" << o.err;
  EXPECT_NE(o.err.find(text), std::string::npos) << shown(words) << "\nstderr: " << o.err << "lacks: " << text;
  EXPECT_EQ(folder.files(), before) << shown(words) << " left a file";
}

// `emmy train` with these words and --json, and what it wrote there.
inline Json trained(const Words& words, const std::string& target = "") {
  const Folder folder;
  expect_done(Words{"train", "--json", folder.path("j")} + words, target);
  return folder.has("j") ? folder.json("j") : Json{};
}

// JSON writes NaN and infinities as null.
inline bool holds_null(const Json& j) {
  return j.is_null() ||
         (j.is_structured() && std::any_of(j.begin(), j.end(), [](const Json& part) { return holds_null(part); }));
}

// What every training run promises about its books.
inline void expect_sound_books(const Json& j) {
  EXPECT_FALSE(holds_null(j)) << j.dump(2);
  EXPECT_LT(j.at("worst_health").get<double>(), 1);
  EXPECT_GT(j.at("worst_health").get<double>(), 0);
  ASSERT_FALSE(j.at("charges").empty());
  for (const Json& c : j.at("charges")) {
    const auto name = c.at("symmetry").get<std::string>();
    EXPECT_LT(c.at("residual_over_bound").get<double>(), 1) << name;
    EXPECT_LT(c.at("noether_over_bound").get<double>(), 1) << name;
    EXPECT_GE(j.at("worst_health").get<double>() * 1.000001, c.at("residual_over_bound").get<double>()) << name;
    EXPECT_GT(c.at("drift").get<double>(), 0) << name;
    double shares = 0;
    for (const Json& share : c.at("share")) {
      EXPECT_GE(share.get<double>(), 0) << name;
      shares += share.get<double>();
    }
    EXPECT_NEAR(shares, 1, 1e-9) << name;
  }
}

inline std::vector<std::string> symmetries(const Json& j) {
  std::vector<std::string> names;
  for (const Json& c : j.at("charges")) names.push_back(c.at("symmetry"));
  return names;
}

// Digits that Emmy draws, as the lines of a CSV file: 64 values 0..16 and the digit, exactly.
inline std::vector<std::string> drawn_lines(std::size_t count, std::uint64_t seed) {
  const io::Dataset digits = io::draw_digits(count, seed);
  std::vector<std::string> lines(count);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t i = 0; i < digits.features; ++i) {
      char text[32];
      std::snprintf(text, sizeof text, "%.9g,", static_cast<double>(digits.x[r * digits.features + i]) * 16);
      lines[r] += text;
    }
    lines[r] += std::to_string(digits.labels[r]);
  }
  return lines;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace emmy::cli
