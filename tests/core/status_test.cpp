// emmy/core/status.hpp
#include <emmy/core/status.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

TEST(Status, OkIsZeroAndTheDefault) {
  static_assert(static_cast<int>(emmy::Status::ok) == 0);
  EXPECT_EQ(emmy::Status{}, emmy::Status::ok);
}

TEST(Status, EveryValueHasItsOwnName) {
  std::set<std::string> names;
  int values = 0;
  for (; std::string(emmy::to_string(static_cast<emmy::Status>(values))) != "unknown"; ++values) {
    names.insert(emmy::to_string(static_cast<emmy::Status>(values)));
    ASSERT_LT(values, 256);
  }
  EXPECT_EQ(values, static_cast<int>(emmy::Status::not_differentiable) + 1);
  EXPECT_EQ(names.size(), static_cast<std::size_t>(values));
  EXPECT_STREQ(emmy::to_string(emmy::Status::not_finite), "not finite");
}

}  // namespace
