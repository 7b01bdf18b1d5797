// emmy golden on cases that plain double loops compute here: every rule and batch size passes on every target, every
// wrong number is found, and every gap in a file is named.
#include <gtest/gtest.h>

#include <functional>

#include <tests/golden/reference_case.hpp>
#include <tests/golden/run.hpp>
#include <tests/io/temporary_folder.hpp>

namespace golden_test {
namespace {

Plan of_rule(const char* rule, double beta = 0) {
  Plan s;
  s.rule = rule;
  s.beta = beta;
  return s.rates(0.03125, 0.0625);
}

Json all_setups() {
  Json file;
  file["gd"] = ReferenceCase(Plan{}).make();
  file["gd_decay"] = ReferenceCase(of_rule("gd")).make();
  file["hb"] = ReferenceCase(of_rule("hb", 0.875)).make();
  file["nag"] = ReferenceCase(of_rule("nag", 0.75)).make();
  Plan s = of_rule("hb", 0.875);
  s.decoupled = true;
  file["decoupled"] = ReferenceCase(s).make();
  s = of_rule("hb", 0.875);
  s.tau = 0.25;
  s.cross_entropy = true;
  s.lam_of[1] = s.lam_of[3] = 0;
  s.eta_of[2] = 0;
  file["dampened_blocks"] = ReferenceCase(s).make();
  for (const char* rule : {"gd", "hb"})
    for (const bool by_tensor : {false, true}) {
      s = of_rule(rule, rule[0] == 'h' ? 0.5 : 0);
      s.clip = by_tensor ? 0.25 : 0.5;
      s.by_tensor = by_tensor;
      s.cross_entropy = by_tensor;
      file[std::string("clip_") + rule + (by_tensor ? "_tensor" : "_norm")] = ReferenceCase(s).make();
    }
  for (const int batch : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 19}) {
    s = of_rule("hb", 0.5);
    s.batch = batch;
    s.samples = 19;
    s.cross_entropy = batch % 2 == 0;
    file["batch_" + std::to_string(batch)] = ReferenceCase(s).make();
  }
  return file;
}

class Golden : public testing::Test {
 protected:
  Printed run_json(const Json& file, const std::string& target = "") {
    return run({folder_.put("cases.json", file.dump())}, target);
  }
  // One line on stderr that names all of it, nothing on stdout, status 2.
  void expect_refusal(const Printed& r, const std::vector<std::string>& named) {
    EXPECT_EQ(r.status, 2);
    EXPECT_EQ(r.out, "");
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    for (const std::string& text : named) EXPECT_NE(r.err.find(text), std::string::npos) << text << " in " << r.err;
  }
  void expect_unsupported(const std::function<void(Json&)>& change, const std::string& reason) {
    Json file{{"it", ReferenceCase(of_rule("hb", 0.5)).make()}};
    change(file["it"]);
    const Printed r = run_json(file);
    EXPECT_EQ(r.status, 0);
    EXPECT_TRUE(ends_with(r.out, totals(0, 0, 1))) << r.out;
    EXPECT_NE(r.out.find(reason), std::string::npos) << reason << " in " << r.out;
  }
  emmy::io::TemporaryFolder folder_;
};

TEST_F(Golden, AgreesWithPlainLoopsOnEveryTarget) {
  const Json file = all_setups();
  ASSERT_FALSE(targets().empty());
  for (const std::string& target : targets()) {
    const Printed r = run_json(file, target);
    EXPECT_EQ(r.status, 0);
    EXPECT_TRUE(ends_with(r.out, totals(static_cast<int>(file.size()), 0, 0))) << r.out;
    EXPECT_NE(r.out.find("target: " + target + " ("), std::string::npos) << r.out;
  }
}

// A setup in which every number is away from zero, moved by twice its tolerance, one number at a time.
TEST_F(Golden, FindsEveryWrongNumber) {
  Plan s = of_rule("hb", 0.5);
  s.clip = 0.5;
  s.cross_entropy = true;
  const Json right = ReferenceCase(s).make();
  int paths = 0;
  for (const auto& [path, tolerance] : right["tol_f64"].items()) {
    std::string pointer = "/" + path;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    for (const char* scalar : {"tol_f64", "tol_f32"}) {
      Json file{{"it", right}};
      Json* value = &file["it"]["expected"][Json::json_pointer(pointer)];
      while (value->is_array()) value = &value->back();
      *value = value->get<double>() + 2 * right[scalar][path].get<double>();
      const Printed r = run_json(file);
      EXPECT_EQ(r.status, 1) << path;
      const bool both = std::string(scalar) == "tol_f32";
      EXPECT_NE(r.out.find("f64: 0 passed, 1 failed, 0 unsupported"), std::string::npos) << r.out;
      EXPECT_EQ(r.out.find("f32: 0 passed, 1 failed, 0 unsupported") != std::string::npos, both) << r.out;
      EXPECT_NE(r.out.find(path), std::string::npos) << r.out;
    }
    ++paths;
  }
  EXPECT_EQ(paths, 44);
}

// But for the reference rate `eta`: it splits breaking from noether by N, which is 0 here.
TEST_F(Golden, WrongInputsGiveWrongNumbers) {
  const Json right = ReferenceCase(of_rule("hb", 0.5)).make();
  for (const char* pointer : {"/params/W1/0/0", "/params/b2/2", "/data/X/7/3", "/data/Y/0/0", "/optimizer/beta",
                              "/optimizer/tau", "/optimizer/eta_of/W2", "/optimizer/lam_of/b1"}) {
    Json file{{"it", right}};
    Json& value = file["it"][Json::json_pointer(pointer)];
    value = value.get<double>() + 0.03125;
    EXPECT_EQ(run_json(file).status, 1) << pointer;
  }
}

TEST_F(Golden, ComparesOtherLengthsNever) {
  Json file{{"it", ReferenceCase(Plan{}).make()}};
  file["it"]["expected"]["losses"].push_back(0.5);
  const Printed r = run_json(file);
  EXPECT_EQ(r.status, 1);
  EXPECT_NE(r.out.find("losses: 12 values, expected 13"), std::string::npos) << r.out;
}

TEST_F(Golden, LeavesReferenceOnlyOut) {
  Json file{{"it", ReferenceCase(Plan{}).make()}};
  file["it"]["expected"]["final"]["b1"][0] = 7;
  EXPECT_EQ(run_json(file).status, 1);
  file["it"]["reference_only"] = {"final.b1"};
  EXPECT_EQ(run_json(file).status, 0);
}

TEST_F(Golden, StartsFromGivenBuffers) {
  Json file{{"it", ReferenceCase(of_rule("hb", 0.5)).make()}};
  Json& buffers = file["it"]["buf0"] = file["it"]["params"];
  EXPECT_EQ(run_json(file).status, 1);
  for (const auto& [name, rows] : buffers.items())
    for (Json& row : rows) row = row.is_array() ? Json(Values(row.size(), 0.0)) : Json(0.0);
  EXPECT_EQ(run_json(file).status, 0);
}

TEST_F(Golden, CountsWhatItCannotRunAsUnsupported) {
  expect_unsupported([](Json& c) { c["kind"] = "mlp1_tanh"; }, "kind mlp1_tanh");
  expect_unsupported(
      [](Json& c) {
        c["kind"] = "layernorm";
        c["constants"]["eps_norm"] = 0.25;
      },
      "no parameter");
  expect_unsupported([](Json& c) { c["optimizer"]["kind"] = "adagrad"; }, "optimizer adagrad");
  expect_unsupported([](Json& c) { c["optimizer"]["warm_up"] = 3; }, "optimizer.warm_up");
  expect_unsupported([](Json& c) { c["loss"] = "hinge"; }, "loss hinge");
  expect_unsupported([](Json& c) { c["kind"] = "mlp2_relu"; }, "W2 is [3, 5]; compiled in is [4, 5]");
  expect_unsupported([](Json& c) { c["charges"][0]["type"] = "gram"; }, "no charge of the ledger is rescale");
  expect_unsupported([](Json& c) { c["charges"][0]["blocks"][2]["s"] = -2; }, "no charge of the ledger is rescale");
  expect_unsupported([](Json& c) { c["charges"][0]["blocks"][0]["axis"] = 1; }, "no charge of the ledger is rescale");
  expect_unsupported([](Json& c) { c["charges"][0]["blocks"].erase(1); }, "no charge of the ledger is rescale");
  expect_unsupported([](Json& c) { c["expected"]["speed"] = 1; }, "expected.speed");
  expect_unsupported(
      [](Json& c) {
        c["expected"]["charges"]["rescale"]["ksb"] = 1;
        c["tol_f64"]["charges.rescale.ksb"] = c["tol_f32"]["charges.rescale.ksb"] = 1;
      },
      "expected.charges.rescale.ksb");
  expect_unsupported([](Json& c) { c["optimizer"]["beta"] = 1.5; }, "refuses these rates");
  expect_unsupported(
      [](Json& c) {
        c["optimizer"]["kind"] = "nag";
        c["optimizer"]["clip"] = 0.5;
      },
      "clip with nag");
  expect_unsupported(
      [](Json& c) {
        for (Json& row : c["params"]["W1"]) row.push_back(0.5);
        for (Json& row : c["data"]["X"]) row.push_back(0.5);
        c["shapes"]["W1"] = {5, 5};
      },
      "W1 is [5, 5]; compiled in is [5, 4]");
}

TEST_F(Golden, NamesWhatIsMissing) {
  for (const char* path : {"kind",
                           "shapes",
                           "shapes.W1",
                           "params",
                           "params.W2",
                           "data",
                           "data.X",
                           "data.Y",
                           "loss",
                           "optimizer",
                           "optimizer.kind",
                           "optimizer.eta",
                           "optimizer.lam",
                           "optimizer.beta",
                           "optimizer.tau",
                           "optimizer.decay",
                           "optimizer.clip",
                           "optimizer.clip_kind",
                           "optimizer.batch",
                           "optimizer.steps",
                           "optimizer.eta_of",
                           "optimizer.eta_of.b1",
                           "optimizer.lam_of.W1",
                           "charges",
                           "expected",
                           "reference_only",
                           "tol_f64",
                           "tol_f32"}) {
    Json file{{"first", ReferenceCase(Plan{}).make()}, {"second", ReferenceCase(Plan{}).make()}};
    std::string pointer = std::string("/") + path;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    const Json::json_pointer at(pointer);
    file["second"][at.parent_pointer()].erase(at.back());
    expect_refusal(run_json(file), {"cases.json", "case second", path});
  }
  Json file{{"it", ReferenceCase(Plan{}).make()}};
  file["it"]["tol_f32"].erase("final.W1");
  expect_refusal(run_json(file), {"case it", "tol_f32.final.W1"});
}

TEST_F(Golden, NamesWhatIsWrong) {
  const auto refuses = [&](const char* pointer, const Json& value, const std::string& named) {
    Json file{{"it", ReferenceCase(Plan{}).make()}};
    file["it"][Json::json_pointer(pointer)] = value;
    expect_refusal(run_json(file), {"cases.json", "case it", named});
  };
  refuses("/optimizer/steps", 0, "optimizer.steps");
  refuses("/optimizer/batch", 2.5, "optimizer.batch");
  refuses("/optimizer/eta", "fast", "optimizer.eta is not a number");
  refuses("/params/W1/2", Values{1, 2, 3}, "params.W1[2] has rows of unequal length");
  refuses("/params/W1/2", 1, "params.W1[2] has rows of unequal rank");
  refuses("/params/b1", Values{1, 2, 3}, "params.b1 has another shape than shapes.b1");
  refuses("/data/Y", Json::array({Values{1, 2, 3}}), "data.Y has another number of samples");
  refuses("/charges/0/blocks/0/param", "W9", "charges[0].blocks[0].param names no parameter");
  refuses("/charges/0/blocks/1/axis", 1, "charges[0].blocks[1].axis is out of range");
  refuses("/expected", Json::object(), "expected has nothing to compare");
  refuses("/expected/losses/3", "low", "expected.losses[3] is not a number");
  Plan s;
  s.cross_entropy = true;
  Json file{{"it", ReferenceCase(s).make()}};
  file["it"]["data"]["labels"][4] = 3;
  expect_refusal(run_json(file), {"case it", "data.labels"});
}

// A kind with a runner of its own: units with |in|^2 = a and |out|^2 = b to the charges q, by the closed form.
Json rebalance_case() {
  const Values a{0.5, 2, 1, 3, 0.25, 1}, b{1, 0.5, 1, 2, 4, 0.125}, q{0, 1, -2, 0.5, -0.125, 3};
  Values factor;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double root = std::sqrt(q[j] * q[j] + 4 * a[j] * b[j]);
    factor.push_back(std::sqrt((q[j] + root) / (2 * a[j])));
  }
  return {{"kind", "project_rebalance"},
          {"optimizer", Json::object()},
          {"data", {{"a", a}, {"b", b}, {"q", q}}},
          {"expected", {{"factor", factor}, {"charge_error", 0.0}}},
          {"reference_only", Json::array()},
          {"tol_f64", {{"factor", 1e-11}, {"charge_error", 1e-11}}},
          {"tol_f32", {{"factor", 2e-5}, {"charge_error", 2e-5}}}};
}

TEST_F(Golden, RunsKindsOfTheirOwn) {
  const Printed good = run_json(Json{{"it", rebalance_case()}});
  EXPECT_EQ(good.status, 0);
  EXPECT_TRUE(ends_with(good.out, totals(1, 0, 0))) << good.out;
  const auto run_with = [&](const char* pointer, const Json& value) {
    Json file{{"it", rebalance_case()}};
    file["it"][Json::json_pointer(pointer)] = value;
    return run_json(file);
  };
  const Printed wrong = run_with("/expected/factor/3", 1);
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.out.find("factor[3]"), std::string::npos) << wrong.out;
  EXPECT_NE(run_with("/data/b/2", 0).out.find("FAILED (step 0: infeasible)"), std::string::npos);
  const Printed other = run_with("/data/q", Values{1, 2});
  EXPECT_TRUE(ends_with(other.out, totals(0, 0, 1))) << other.out;
  EXPECT_NE(other.out.find("data.q is [2]; compiled in is [6]"), std::string::npos) << other.out;
  expect_refusal(run_with("/data/a", "many"), {"case it", "data.a is not a number"});
  Json file{{"it", rebalance_case()}};
  for (const char* of : {"expected", "tol_f64", "tol_f32"}) file["it"][of]["more"] = 1;
  EXPECT_NE(run_json(file).out.find("nothing computes expected.more"), std::string::npos);
  file["it"]["data"].erase("q");
  expect_refusal(run_json(file), {"case it", "data.q is missing"});
}

// |theta - b|^2 / 2 with its first two weights held to 0 by decay 1, above |(b_0, b_1)| = 0.5.
Json held_case() {
  Json a = Json::array(), o = Json::array();
  Values b{0.3, 0.4, 1, -1, 0.5, 0.25}, theta = b;
  theta[0] = theta[1] = 0;
  for (int i = 0; i < 6; ++i) {
    Values row(6, 0.0);
    row[static_cast<std::size_t>(i)] = 1;
    a.push_back(row);
    o.push_back(Values(row.begin(), row.begin() + 2));
  }
  Json tolerances{{"theta", 1e-5}, {"constraint_value", 1e-5}, {"margin", 1e-5}};
  return {{"kind", "dcs_joint"},
          {"optimizer", {{"kind", "gd"}, {"eta", 0.0625}, {"lam", 1.0}, {"steps", 2000}}},
          {"data", {{"A", a}, {"b", b}}},
          {"constants", {{"O", o}}},
          {"params", {{"phi", Values(6, 0.0)}, {"u", 0.5}, {"z", {0.5, -0.25}}}},
          {"expected", {{"theta", theta}, {"constraint_value", {0.0, 0.0}}, {"margin", 0.5}, {"holds", true}}},
          {"reference_only", Json::array()},
          {"tol_f64", tolerances},
          {"tol_f32", tolerances}};
}

TEST_F(Golden, ComparesTruthValues) {
  Json file{{"it", held_case()}};
  const Printed good = run_json(file);
  EXPECT_TRUE(ends_with(good.out, totals(1, 0, 0))) << good.out;
  file["it"]["expected"]["holds"] = false;
  const Printed wrong = run_json(file);
  EXPECT_TRUE(ends_with(wrong.out, totals(0, 1, 0))) << wrong.out;
  EXPECT_NE(wrong.out.find("1 of its numbers; the worst holds[0] = 1, expected 0"), std::string::npos) << wrong.out;
  file["it"]["expected"]["released"] = true;
  EXPECT_NE(run_json(file).out.find("nothing computes expected.released"), std::string::npos);
}

TEST_F(Golden, RefusesWhatIsNoFileOfCases) {
  expect_refusal(run({folder_.path("nowhere.json")}), {"nowhere.json"});
  expect_refusal(run({folder_.path()}), {folder_.path()});
  expect_refusal(run({folder_.put("text.json", "{\n  \"a\": {\n    kind\n")}),
                 {"text.json", "not JSON", "line 3, column 5"});
  expect_refusal(run({folder_.put("huge.json", "{\"a\": {\"kind\": 1e999}}")}), {"huge.json"});
  expect_refusal(run({folder_.put("list.json", "[1, 2]")}), {"list.json"});
  expect_refusal(run({folder_.put("empty.json", "{}")}), {"empty.json"});
  expect_refusal(run({folder_.put("number.json", "{\"a\": 1}")}), {"number.json", "case a"});
  expect_refusal(run({}), {"no file"});
  // A second file that is bad keeps the first from running.
  const Json good{{"it", ReferenceCase(Plan{}).make()}};
  expect_refusal(run({folder_.put("good.json", good.dump()), folder_.path("nowhere.json")}), {"nowhere.json"});
}

TEST_F(Golden, RefusesAnUnknownTarget) {
  expect_refusal(run_json(Json{{"it", ReferenceCase(Plan{}).make()}}, "avx9"), {"avx9", targets().front()});
}

TEST_F(Golden, ReadsSeveralFiles) {
  const Json good{{"it", ReferenceCase(Plan{}).make()}};
  const std::string a = folder_.put("a.json", good.dump()), b = folder_.put("b.json", good.dump());
  const Printed r = run({a, b});
  EXPECT_EQ(r.status, 0);
  EXPECT_TRUE(ends_with(r.out, totals(2, 0, 0))) << r.out;
  EXPECT_NE(r.out.find(b + ": it"), std::string::npos) << r.out;
}

}  // namespace
}  // namespace golden_test
