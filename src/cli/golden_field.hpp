// A value of a file of golden cases with its path from the case on, for messages.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cli/golden_case.hpp"

namespace emmy::golden {

using Json = nlohmann::ordered_json;

// A field that is missing or wrong. Thrown by Field, caught in read_cases.
struct Bad : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A case that is whole but not for Emmy.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Field {
 public:
  Field(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  [[nodiscard]] Field at(const std::string& key) const {
    require(json_->is_object(), "is not an object");
    const auto found = json_->find(key);
    const std::string path = path_.empty() ? key : path_ + "." + key;
    if (found == json_->end()) throw Bad(path + " is missing");
    return {*found, path};
  }
  [[nodiscard]] bool has(const std::string& key) const { return json_->is_object() && json_->contains(key); }
  [[nodiscard]] bool is_null() const { return json_->is_null(); }
  [[nodiscard]] bool is_object() const { return json_->is_object(); }
  [[nodiscard]] bool is_list_of_objects() const {
    return json_->is_array() && !json_->empty() && json_->front().is_object();
  }
  [[nodiscard]] bool is_truth_value() const { return json_->is_boolean(); }
  [[nodiscard]] bool truth_value() const { return json_->get<bool>(); }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Keys and values of an object; elements of an array.
  [[nodiscard]] std::vector<std::pair<std::string, Field>> members() const {
    require(json_->is_object(), "is not an object");
    std::vector<std::pair<std::string, Field>> all;
    for (const auto& [key, value] : json_->items())
      all.emplace_back(key, Field(value, path_.empty() ? key : path_ + "." + key));
    return all;
  }
  [[nodiscard]] std::vector<Field> elements() const {
    require(json_->is_array(), "is not an array");
    std::vector<Field> all;
    for (const Json& value : *json_) all.emplace_back(value, fmt::format("{}[{}]", path_, all.size()));
    return all;
  }

  [[nodiscard]] std::string text() const {
    require(json_->is_string(), "is not a string");
    return json_->get<std::string>();
  }
  [[nodiscard]] double number(double low, double high) const {
    require(json_->is_number(), "is not a number");
    const auto value = json_->get<double>();
    require(value >= low && value <= high, "is out of range");
    return value;
  }
  [[nodiscard]] double number() const { return number(-1e300, 1e300); }
  [[nodiscard]] int integer(int low, int high) const {
    const double value = number(low, high);
    require(value == static_cast<int>(value), "is not a whole number");
    return static_cast<int>(value);
  }
  // A number, or arrays of equally long arrays of numbers.
  [[nodiscard]] Array array() const {
    Array all;
    collect(all, 0);
    return all;
  }
  [[nodiscard]] Array array(std::size_t rank) const {
    Array all = array();
    require(all.shape.size() == rank, fmt::format("has rank {}, not {}", all.shape.size(), rank));
    return all;
  }

  void require(bool condition, const std::string& complaint) const {
    if (!condition) throw Bad((path_.empty() ? "it" : path_) + " " + complaint);
  }

 private:
  void collect(Array& all, std::size_t depth) const {
    if (!json_->is_array()) {
      require(depth == all.shape.size(), "has rows of unequal rank");
      all.values.push_back(number());
      return;
    }
    const auto size = static_cast<int>(json_->size());
    require(size > 0, "is empty");
    if (depth == all.shape.size()) {
      require(all.values.empty(), "has rows of unequal rank");
      all.shape.push_back(size);
    }
    require(all.shape[depth] == size, "has rows of unequal length");
    for (const Field& element : elements()) element.collect(all, depth + 1);
  }

  const Json* json_;
  std::string path_;
};

}  // namespace emmy::golden
