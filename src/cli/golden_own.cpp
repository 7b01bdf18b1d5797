#include "cli/golden_own.hpp"

#include <sstream>

#include "cli/golden_field.hpp"

namespace emmy::golden {
namespace {

Field at_path(const Field& c, const std::string& path) {
  Field found = c;
  std::istringstream keys(path);
  for (std::string key; std::getline(keys, key, '.');) found = found.at(key);
  return found;
}

}  // namespace

bool is_of(const Field& c, const ArrayCase& about) {
  return c.at("kind").text() == about.kind && c.has("expected") && c.at("expected").has(about.expects);
}

Compute read_arrays(const Field& c, const ArrayCase& about,
                    std::function<ArraysRun(const char* target, bool single)> find) {
  std::vector<std::vector<double>> given, made;
  for (const Slot& slot : about.given) {
    const Array array = at_path(c, slot.path).array();
    if (array.shape != slot.shape)
      throw Unsupported(fmt::format("{} is [{}]; compiled in is [{}]", slot.path, fmt::join(array.shape, ", "),
                                    fmt::join(slot.shape, ", ")));
    given.push_back(array.values);
  }
  std::vector<std::string> paths;
  for (const Slot& slot : about.made) {
    std::size_t size = 1;
    for (const int n : slot.shape)
      size *= static_cast<std::size_t>(n == kBySteps ? c.at("optimizer").at("steps").integer(1, 10'000'000) : n);
    made.emplace_back(size);
    paths.push_back(slot.path);
  }
  return [given, made, paths, find](const char* target, bool single, Computed& computed) mutable {
    std::vector<const double*> from;
    std::vector<double*> to;
    for (const auto& array : given) from.push_back(array.data());
    for (auto& array : made) to.push_back(array.data());
    const ArraysRun run = find(target, single);
    const Status status = run(from.data(), to.data());
    for (std::size_t i = 0; i < made.size(); ++i) computed[paths[i]] = made[i];
    return Outcome{status, 0};
  };
}

}  // namespace emmy::golden
