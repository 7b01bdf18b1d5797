// emmy reproduce: all experiments pass, each fails where something is made otherwise than predicted, and the page stands alone.

#include "command.hpp"

#include <cli/reproduce.hpp>

#include <tests/report/wrong_tags.hpp>

namespace emmy::cli {
namespace {

constexpr int kExperiments = 13;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Reproduce, AllPassWithAPage) {
  if (!cpu_supports("avx2")) GTEST_SKIP() << "no AVX2";
  const Folder folder;
  const std::string out = expect_done({"reproduce", "--page", folder.path("page.html")});
  EXPECT_EQ(count("\n" + out, "\npass  "), kExperiments) << out;
  EXPECT_NE(out.find("13 of 13 experiments pass\n"), std::string::npos) << out;
  const std::string page = folder.get("page.html");
  std::printf("page: %zu bytes\n", page.size());
  EXPECT_LT(page.size(), 300'000U);
  EXPECT_EQ(report::wrong_tags(page), "");
  for (const char* banned : {"http", "<script", "url(", "@import", "<link", "src=", "nan", "inf\"", "infL"})
    EXPECT_EQ(page.find(banned), std::string::npos) << banned;
  EXPECT_NE(page.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_EQ(count(page, "<svg "), kExperiments);
  EXPECT_EQ(count(page, "<h2 class=\"good\">"), kExperiments);
}

TEST(Reproduce, EveryExperimentCanFail) {
  if (!cpu_supports("avx2")) GTEST_SKIP() << "no AVX2";
  const Folder folder;
  const Outcome o = emmy({"reproduce", "--spoil", "--page", folder.path("page.html")});
  EXPECT_EQ(o.status, 1) << o.err;
  EXPECT_EQ(count("\n" + o.out, "\nFAIL  "), kExperiments) << o.out;
  EXPECT_NE(o.out.find("0 of 13 experiments pass\n"), std::string::npos) << o.out;
  EXPECT_EQ(count(folder.get("page.html"), "<h2 class=\"bad\">"), kExperiments);
}

TEST(Reproduce, OneAlone) {
  if (!cpu_supports("avx2")) GTEST_SKIP() << "no AVX2";
  EXPECT_NE(expect_done({"reproduce", "--only", "depth"}).find("1 of 1 experiments pass\n"), std::string::npos);
}

TEST(Reproduce, Judges) {
  using namespace reproduce;
  const double none = std::nan("");
  EXPECT_TRUE(holds({"", Relation::near, 1, 1.25, 0.25}));
  EXPECT_FALSE(holds({"", Relation::near, 1, 1.5, 0.25}));
  EXPECT_FALSE(holds({"", Relation::near, 1, 0.5, 0.25}));
  EXPECT_TRUE(holds({"", Relation::at_most, 0, 1, 1}));
  EXPECT_FALSE(holds({"", Relation::at_most, 0, 1.5, 1}));
  EXPECT_TRUE(holds({"", Relation::at_least, 0, 1, 1}));
  EXPECT_FALSE(holds({"", Relation::at_least, 0, 0.5, 1}));
  for (const Relation r : {Relation::near, Relation::at_most, Relation::at_least}) {
    EXPECT_FALSE(holds({"", r, 1, none, 1}));
    EXPECT_FALSE(holds({"", r, 1, 1, none}));
  }
  Result result;
  EXPECT_FALSE(passes(result)) << "nothing was measured";
  result.at_most("", 0, 1);
  EXPECT_TRUE(passes(result));
  result.status = Status::not_finite;
  EXPECT_FALSE(passes(result));
  result.status = Status::ok;
  result.near("", 0, 1, 0.5);
  EXPECT_FALSE(passes(result));
  Result many;
  for (int c = 0; c <= Result::kMostChecks; ++c) many.at_most("", 0, 1);
  EXPECT_FALSE(passes(many)) << "one was dropped";
}

// Drawn digits in the place of real ones: the table has its rows, and a page. The bars are for real ones (optdigits_test.cpp).
TEST(Reproduce, Digits) {
  if (!has_target("avx2")) GTEST_SKIP() << "no AVX2";
  const Folder folder;
  (void)folder.put("optdigits.tra", joined(drawn_lines(600, 1)));
  (void)folder.put("optdigits.tes", joined(drawn_lines(200, 2)));
  const Words words{
      "reproduce", "--digits",           folder.path(""), "--seeds", "2", "--page", folder.path("page.html"),
      "--save",    folder.path("models")};
  const Outcome o = emmy(words);
  EXPECT_TRUE(o.status == 0 || o.status == 1) << o.err;
  EXPECT_NE(o.out.find("600 training rows, 200 test rows, 2 seeds"), std::string::npos) << o.out;
  for (const char* row : {"dense", "units", "blocks", "elements", "few-elements", "rank", "mirror", "invariant"})
    EXPECT_EQ(count(o.out, "\n| " + std::string(row) + " |"), 1) << o.out;
  EXPECT_EQ(count(o.out, "nan"), 0) << o.out;
  EXPECT_EQ(emmy(words).out, o.out);
  EXPECT_EQ(count(folder.get("page.html"), "<svg "), 9);
  EXPECT_EQ(report::wrong_tags(folder.get("page.html")), "");
  expect_done({"export", folder.path("models/blocks-2.model"), "--blocks", "--header", folder.path("model.hpp")});
  EXPECT_NE(folder.get("model.hpp").find("emmy::Dense<32>"), std::string::npos) << "few blocks go: no BlockSparse";
  EXPECT_FALSE(folder.has("models/rank-1.model"));
}

TEST(Reproduce, Refused) {
  const Folder folder;
  expect_refused({"reproduce", "--digits", ""}, "--digits needs the name of a folder", folder);
  expect_refused({"reproduce", "--digits", folder.path("none")}, "optdigits.tra", folder);
  expect_refused({"reproduce", "--digits", folder.path(""), "--only", "depth"}, "no row 'depth': dense", folder);
  expect_refused({"reproduce", "--digits", folder.path(""), "--seeds", "0"}, "--seeds is 1 to 200", folder);
  expect_refused({"reproduce", "--seeds", "4"}, "--seeds is for --digits", folder);
  expect_refused({"reproduce", "--save", folder.path("a")}, "--save is for --digits", folder);
  expect_refused({"reproduce", "--only", "nothing"}, "there is no experiment 'nothing': sparsity, low-rank", folder);
  expect_refused({"reproduce", "--page", ""}, "--page needs the name of a file", folder);
  expect_refused({"reproduce", "--page", folder.path("none/page.html")}, "none", folder);
  expect_refused({"reproduce"}, "emmy reproduce has no target 'avx9' in this build", folder, "avx9");
  (void)folder.put("optdigits.tra", joined(drawn_lines(16, 1)));
  (void)folder.put("optdigits.tes", joined(drawn_lines(1, 2)));
  expect_refused({"reproduce", "--digits", folder.path("")}, "--digits has no target 'avx9' in this build", folder,
                 "avx9");
}

}  // namespace
}  // namespace emmy::cli
