// The forms of a report: text, JSON lines and back, a page that stands alone, and the sentences of a diagnosis.
#include <algorithm>
#include <cstdio>
#include <report/charts.hpp>
#include <report/record.hpp>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tests/io/temporary_folder.hpp>
#include <tests/report/wrong_tags.hpp>

namespace emmy::report {
namespace {

enum : std::size_t { kDecay, kMomentum, kBreaking, kDiscretisation, kNoether, kRounding, kUnmeasured, kEpsilon };

// A run of `points` intervals in which one cause moved the charges by `share`, discretisation by the rest.
Record run(std::size_t cause, double share, int points = 2, const std::string& rule = "momentum 0.9") {
  Record r;
  r.net = "64-32-10 <ReLU> & \"softmax\"";
  r.rule = rule;
  r.target = "scalar";
  r.batch = 16;
  r.symmetry = {{"Rescaling<Layer<1>>", 32, false}};
  r.memory = {{"params", 10432}, {"state", 10496}};
  r.result = {{"train loss", "0.1535"}};
  for (int i = 0; i <= points; ++i) {
    Charges c;
    c.measured = 1 + 0.25 * i;
    c.predicted = c.measured;
    c.drift = c.largest = 0.25 * i;
    c.amount[cause] = c.total[cause] = c.drift * share;
    c.amount[kDiscretisation] += c.drift * (1 - share);
    c.total[kDiscretisation] = c.amount[kDiscretisation];
    if (i > 0) {
      c.moved[cause] = 0.25 * share;
      c.moved[kDiscretisation] += 0.25 * (1 - share);
      c.residual = 1e-7;
      c.residual_ratio = 0.125;
      c.noether_ratio = 0.0625;
    }
    r.point.push_back({10 * i, 2.0 / (1 + i), 0.05, i > 0 ? 0.125 : 0, {}, {c}});
  }
  return r;
}

TEST(Report, TextOfATinyRun) {
  EXPECT_EQ(to_text(run(kMomentum, 0.75)),
            "net     64-32-10 <ReLU> & \"softmax\"\n"
            "rule    momentum 0.9; batch 16\n"
            "target  scalar\n"
            "steps   0 to 20, 3 points\n"
            "loss    1 to 0.6667\n"
            "health  worst residual of any charge, identity or check sum 0.125 of its rounding bound\n"
            "train loss: 0.1535\n"
            "memory  params 10432 B, state 10496 B\n"
            "\n"
            "Rescaling<Layer<1>>: 32 charges\n"
            "  momentum 75 %: what the buffer remembers of earlier steps, second order in the learning rate; also "
            "discretisation 25 %\n"
            "  sum 1 to 1.5, predicted 1.5; drift 0.5 in all, 0.5 of one charge\n"
            "  moved by momentum 75 %, discretisation 25 %\n"
            "  worst residual of a step 1e-07, 0.125 of its rounding bound; Noether residual 0.062 of its bound\n");
}

TEST(Report, DiagnosisNamesTheCause) {
  const auto of = [](const Record& r) { return diagnosis(r, 0); };
  const auto starts = [&](const Record& r, const std::string& text) { EXPECT_TRUE(of(r).starts_with(text)) << of(r); };
  starts(run(kDecay, 0.92), "decay 92 %: weight decay");
  starts(run(kDiscretisation, 1), "discretisation 100 %: second order");
  starts(run(kEpsilon, 0.9), "epsilon 90 %");
  starts(run(kUnmeasured, 0.9), "unmeasured 90 %");
  starts(run(kRounding, 0.9), "conserved: no charge moved by more than 0.5, 90 % of it rounding");
  starts(run(kBreaking, 0.97), "97 % breaking: rates that differ");
  Record adam = run(kBreaking, 0.97, 2, "Adam");
  adam.adaptive = true;
  starts(adam, "97 % kinetic breaking: Adam; block-shared Adam (--rule adam-shared) keeps this charge");
  adam.symmetry[0].dead_biases = true;
  starts(adam, "biases drift 0.5 with zero gradient: Adam in f32 amplifies rounding");
  Record still_biases = run(kNoether, 0.2);
  still_biases.symmetry[0].dead_biases = true;
  starts(still_biases, "conserved: no bias moved by more than 0.5, by rounding in a gradient");
  Record fault = run(kMomentum, 0.9);
  fault.point.back().symmetry[0].residual_ratio = 12;
  starts(fault, "residual 12 times its rounding bound: a fault");
  fault.point.back().symmetry[0].residual_ratio = 0;
  fault.point.back().symmetry[0].noether_ratio = 3;
  starts(fault, "Noether residual 3 times its rounding bound");
  Record still = run(kMomentum, 0.9, 0);
  EXPECT_EQ(of(still), "no step was taken");
}

TEST(Report, RotationAgainstItsEquilibrium) {
  Record r = run(kMomentum, 0.9, 4);
  EXPECT_EQ(rotation_text(r, 0), "");
  for (std::size_t i = 1; i < r.point.size(); ++i) {
    Charges& c = r.point[i].symmetry[0];
    c.rotation = i < 3 ? 9 : 0.0202;
    c.equilibrium = 0.02;
    c.settled = 1.2 * static_cast<double>(i);
  }
  const Rotation turn = rotation(r, 0);
  EXPECT_NEAR(turn.measured, 0.0202, 1e-12);
  EXPECT_NEAR(turn.equilibrium, 0.02, 1e-12);
  EXPECT_EQ(
      rotation_text(r, 0),
      "rotation a step 0.0202 (rms), 0.02 predicted, sqrt(2 eta lambda/(1+beta)): +1.00 %, after three of 4.8 time "
      "constants; effective learning rate 0.8");
  EXPECT_NE(to_html(r).find("Rotation of the weights a step"), std::string::npos);
  EXPECT_NE(to_text(r).find(rotation_text(r, 0)), std::string::npos);
  const auto back = from_json_lines(to_json_lines(r), "name");
  ASSERT_TRUE(back);
  EXPECT_EQ(to_html(*back), to_html(r));
  r.point.resize(3);
  EXPECT_TRUE(rotation_text(r, 0).ends_with("not settled: 2.4 of three time constants; effective learning rate 1.07"))
      << rotation_text(r, 0);
}

TEST(Report, ComesBackFromJsonLines) {
  const Record r = run(kMomentum, 1.0 / 3, 5);
  const auto back = from_json_lines(to_json_lines(r), "name");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json_lines(*back), to_json_lines(r));
  EXPECT_EQ(to_text(*back), to_text(r));
  EXPECT_EQ(to_html(*back), to_html(r));
}

TEST(Report, BrokenLinesAreNamed) {
  const std::string good = to_json_lines(run(kMomentum, 0.5));
  const auto refused = [](const std::string& text, const std::string& why) {
    const auto r = from_json_lines(text, "r.jsonl");
    ASSERT_FALSE(r) << text;
    EXPECT_TRUE(r.error().message.starts_with(why)) << r.error().message << "\nnot: " << why;
  };
  const std::size_t second = good.find('\n') + 1, third = good.find('\n', second) + 1;
  refused("", "r.jsonl: has no point");
  refused(good.substr(0, second), "r.jsonl: has no point");
  refused("{\n" + good, "r.jsonl:1: is not a JSON object");
  refused("[]\n", "r.jsonl:1: is not a JSON object");
  refused("{}\n" + good, "r.jsonl:1: is not the first line of an Emmy report");
  refused(good.substr(second), "r.jsonl:1: is not the first line of an Emmy report");
  refused(good.substr(0, second) + "{\"line\":\"point\"}\n", "r.jsonl:2: ");
  refused(good.substr(0, second) + "{\"line\":\"other\"}\n", "r.jsonl:2: is neither");
  refused(good.substr(0, third) + good.substr(second), "r.jsonl:3: its step is not after");
  refused(good.substr(0, third - 20), "r.jsonl:2: is not a JSON object");
  refused(good.substr(0, third), "r.jsonl: is cut off");
  refused(good + good.substr(second, third - second), "r.jsonl:6: is behind the results");
  std::string other = good;
  other.replace(other.find("\"step\":0"), 8, "\"step\":-1");
  refused(other, "r.jsonl:2: ");
  other.replace(other.find("\"step\":-1"), 9, "\"step\":1e30");
  refused(other, "r.jsonl:2: ");
  std::string many = good;
  many.replace(many.find("\"symmetries\":[{"), 15,
               "\"symmetries\":[{\"charges\":1,\"dead_biases\":false,\"name\":\"a\"},{");
  refused(many, "r.jsonl:2: a point of another number");
}

TEST(Report, PageStandsAlone) {
  Record r = run(kMomentum, 0.5, 120);
  for (int i = 0; i < 3; ++i) {
    r.symmetry.push_back(r.symmetry[0]);
    for (Point& p : r.point) p.symmetry.push_back(p.symmetry[0]);
  }
  const std::string html = to_html(r);
  std::printf("page of 120 points and 4 symmetries: %zu bytes\n", html.size());
  EXPECT_LT(html.size(), 300'000U);
  EXPECT_EQ(wrong_tags(html), "");
  for (const char* banned : {"http", "<script", "url(", "@import", "<link", "src="})
    EXPECT_EQ(html.find(banned), std::string::npos) << banned;
  for (const char* wanted : {"<!DOCTYPE html>", "name=\"viewport\"", "prefers-color-scheme:dark", "<svg viewBox=",
                             "64-32-10 &lt;ReLU&gt; &amp; &quot;softmax&quot;", "Rescaling&lt;Layer&lt;1&gt;&gt;"})
    EXPECT_NE(html.find(wanted), std::string::npos) << wanted;
  for (const char* number : {"nan", "inf\"", "infL"}) EXPECT_EQ(html.find(number), std::string::npos) << number;
  // Many more points than are drawn.
  EXPECT_LT(to_html(run(kMomentum, 0.5, 50'000)).size(), 300'000U);
  // A run without a step, and one in which nothing moved.
  EXPECT_EQ(wrong_tags(to_html(run(kMomentum, 0.5, 0))), "");
  Record none = run(kMomentum, 0.5);
  for (Point& p : none.point) p.symmetry[0] = {};
  EXPECT_EQ(wrong_tags(to_html(none)), "");
}

TEST(Report, ChartsDrawWhatTheyAreGiven) {
  // 0..10 across, from 52 to 370; 0..1 up with 6 % space: 0.06 below 0 is at 166, 1.06 at 10.
  const std::string line = line_chart("a<b", {0, 10}, {{"main", {0, 1}}});
  EXPECT_NE(line.find("aria-label=\"a&lt;b\""), std::string::npos) << line;
  EXPECT_NE(line.find("<path class=\"main\" d=\"M52.0 157.6L370.0 18.4\"/>"), std::string::npos) << line;
  // Of one interval, a quarter decay below three quarters momentum.
  Causes share{};
  share[kDecay] = 0.25;
  share[kMomentum] = 0.75;
  const std::string stacked = share_chart("c", {0, 10}, {Causes{}, share});
  EXPECT_NE(stacked.find("<path class=\"area c0\" d=\"M52.0 127.0H370.0L370.0 166.0H52.0Z\"/>"), std::string::npos)
      << stacked;
  EXPECT_NE(stacked.find("<path class=\"area c1\" d=\"M52.0 10.0H370.0L370.0 127.0H52.0Z\"/>"), std::string::npos)
      << stacked;
}

TEST(Report, FilesAreWrittenAndRead) {
  const io::TemporaryFolder folder;
  const Record r = run(kMomentum, 0.5);
  const std::string to = folder.path("run");
  ASSERT_TRUE(write_all(r, to));
  EXPECT_EQ(folder.get("run/report.txt"), to_text(r));
  EXPECT_EQ(folder.get("run/report.csv"), to_csv(r));
  EXPECT_EQ(folder.get("run/report.html"), to_html(r));
  for (const std::string& from : {to, to + "/report.jsonl"}) {
    const auto back = read(from);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_json_lines(*back), to_json_lines(r));
  }
  EXPECT_FALSE(read(folder.path("none")));
  EXPECT_FALSE(write_all(r, folder.put("file", "x")));
  // A row for each point and symmetry, below the names of the columns.
  const std::string csv = to_csv(r);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  EXPECT_EQ(std::count(csv.begin(), csv.begin() + static_cast<long>(csv.find('\n')), ','),
            std::count(csv.begin() + static_cast<long>(csv.rfind('\n', csv.size() - 2)), csv.end(), ','));
}

}  // namespace
}  // namespace emmy::report
