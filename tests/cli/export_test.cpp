// emmy export: the header compiles with the project's compiler, and its net is the trained one.
#include <cli/constrained_nets.hpp>
#include <cstring>
#include <io/checkpoint.hpp>
#include <sstream>

#include "command.hpp"

namespace emmy::cli {
namespace {

// The plain net of a saved one.
template <class Net>
Params<app::DenseNet> plain_of_saved(const std::string& path) {
  const auto file = io::read_checkpoint(path, std::nullopt);
  const auto* bytes = file ? file.value().find("params") : nullptr;
  Params<Net> params{};
  if (bytes == nullptr || bytes->size() != sizeof params) throw std::runtime_error("no parameters in " + path);
  std::memcpy(&params, bytes->data(), sizeof params);
  Params<app::DenseNet> plain{};
  fold(params, plain);
  return plain;
}

// Its outputs in double precision.
std::vector<double> outputs(const Params<app::DenseNet>& net, const float* x) {
  std::vector<double> y(app::kClasses);
  for (int o = 0; o < app::kClasses; ++o) y[static_cast<std::size_t>(o)] = static_cast<double>(net.bias<Layer<2>>(o));
  for (int j = 0; j < app::kHidden; ++j) {
    double h = static_cast<double>(net.bias<Layer<0>>(j));
    for (int i = 0; i < app::kInputs; ++i)
      h += static_cast<double>(x[i]) * static_cast<double>(net.weight<Layer<0>>(j, i));
    for (int o = 0; o < app::kClasses && h > 0; ++o)
      y[static_cast<std::size_t>(o)] += h * static_cast<double>(net.weight<Layer<2>>(o, j));
  }
  return y;
}

// Compiles the checker with the header, runs it and returns what it prints.
std::string checked(const Folder& folder, const std::string& header, const Words& flags) {
  const Words compile = Words{"-std=c++20",   "-ffp-contract=off", "-O1",     "-Wall",          "-Wextra",
                              "-Wconversion", "-Wshadow",          "-Werror", "-I" EMMY_INCLUDE} +
                        flags + Words{"-DEXPORTED=\"" + header + "\"", EMMY_CHECKER, "-o", folder.path("checker")};
  const Outcome compiled = run(EMMY_COMPILER, compile);
  EXPECT_EQ(compiled.status, 0) << compiled.err;
  if (compiled.status != 0) return "";
  const Outcome o = run(folder.path("checker"), {});
  EXPECT_EQ(o.status, 0) << o.out << o.err;
  std::printf("  %s", o.out.substr(0, o.out.find('\n') + 1).c_str());
  return o.out;
}

const Words kScalar = {"-DEMMY_BACKEND_SCALAR"};
#ifdef EMMY_HIGHWAY
const Words kNative = {"-march=native", "-isystem", EMMY_HIGHWAY};
#else
const Words kNative = {"-march=native"};
#endif

// What the checker printed is what `net` makes of the drawn digits.
void expect_same(const Params<app::DenseNet>& net, const std::string& printed, int width, bool scalar) {
  const io::Dataset inputs = io::draw_digits(16, 3);
  std::istringstream text(printed);
  int hidden = 0;
  std::string backend, worst;
  text >> hidden >> backend >> worst;
  EXPECT_EQ(hidden, width);
  EXPECT_EQ(backend == "scalar", scalar) << backend;
  for (std::size_t p = 0; p < inputs.rows; ++p) {
    const std::vector<double> y = outputs(net, inputs.x.data() + p * inputs.features);
    const double largest =
        std::abs(*std::max_element(y.begin(), y.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
    for (std::size_t o = 0; o < y.size(); ++o) {
      double stated = 1e30;
      text >> stated;
      EXPECT_NEAR(stated, y[o], 1e-5 * largest) << "pair " << p << ", output " << o;
    }
  }
}

// With `blocks`, of --blocks besides.
template <class Net>
void expect_exported(const Words& options, const std::vector<Words>& builds, bool blocks = false) {
  const Folder folder;
  const std::string model = folder.path("model"), header = folder.path("model.hpp");
  expect_done(Words{"train", "--save", model, "--json", folder.path("j")} + options);
  expect_done({"export", model, "--header", header});
  const Json constraint = folder.json("j").at("constraint");
  const int width = constraint.value("folded_hidden", app::kHidden);
  EXPECT_NE(folder.get("model.hpp").find(std::string("emmy::Dense<") + std::to_string(width) + ">"), std::string::npos);
  const auto net = plain_of_saved<Net>(model);
  for (const Words& flags : builds) expect_same(net, checked(folder, header, flags), width, flags == kScalar);
  if (!blocks) return;
  expect_done({"export", model, "--blocks", "--header", header});
  EXPECT_NE(folder.get("model.hpp").find("emmy::BlockSparse<32, blocks::Pattern0>"), std::string::npos);
  expect_same(net, checked(folder, header, kNative), app::kHidden, false);
}

TEST(Export, DenseOnTwoBackends) { expect_exported<app::DenseNet>({"--epochs", "2"}, {kScalar, kNative}); }

TEST(Export, UnitsAtTheirExactWidth) {
  expect_exported<app::UnitsNet>({"--constraint", "units", "--epochs", "12", "--strength", "0.02"}, {kScalar, kNative});
}

TEST(Export, SparseAtItsExactWidth) {
  expect_exported<app::SparseNet>(
      {"--constraint", "sparse", "--epochs", "12", "--strength", "0.006", "--fine-tune", "0"}, {kScalar}, true);
}

// Two layers while that takes fewer multiply-adds than the product does.
TEST(Export, RankAsTwoLayers) {
  const Folder folder;
  const std::string model = folder.path("model"), header = folder.path("model.hpp");
  expect_done({"train", "--constraint", "rank", "--strength", "0.01", "--epochs", "12", "--save", model, "--json",
               folder.path("j")});
  const int rank = folder.json("j").at("constraint").at("rank");
  ASSERT_LT(rank, 16);
  const std::string out = expect_done({"export", model, "--header", header});
  EXPECT_NE(out.find(": 64-" + std::to_string(rank) + "-32-10, "), std::string::npos) << out;
  EXPECT_NE(folder.get("model.hpp").find("emmy::Dense<" + std::to_string(rank) + ", emmy::NoBias>, emmy::Dense<32>"),
            std::string::npos);
  expect_same(plain_of_saved<app::LowRankNet>(model), checked(folder, header, kNative + Words{"-DPAIR"}), 32, false);
}

// The nets of the table on real digits, here of drawn ones, as bench/arm/models.cpp puts them on boards.
TEST(Export, NetsOfTheTable) {
  if (!has_target("avx2")) GTEST_SKIP() << "no AVX2";
  const Folder folder;
  (void)folder.put("optdigits.tra", joined(drawn_lines(600, 1)));
  (void)folder.put("optdigits.tes", joined(drawn_lines(200, 2)));
  (void)emmy({"reproduce", "--digits", folder.path(""), "--seeds", "1", "--save", folder.path("nets")});
  const std::string sources = EMMY_INCLUDE "/..";
  const Words compile{"-std=c++20",
                      "-ffp-contract=off",
                      "-O0",
                      "-Wall",
                      "-Wextra",
                      "-Wconversion",
                      "-Wshadow",
                      "-Werror",
                      "-DEMMY_KEEP_CALLS",
                      "-DEMMY_BACKEND_SCALAR",
                      "-I" EMMY_INCLUDE,
                      "-I" + sources,
                      "-DEMMY_BENCH_NETS=\"" + folder.path("nets/nets.hpp") + "\"",
                      sources + "/bench/arm/models.cpp",
                      sources + "/platforms/host/host.cpp",
                      "-o",
                      folder.path("models")};
  const Outcome compiled = run(EMMY_COMPILER, compile);
  ASSERT_EQ(compiled.status, 0) << compiled.err;
  const Outcome o = run(folder.path("models"), {});
  EXPECT_EQ(o.status, 0) << o.out << o.err;
  for (const char* row :
       {"dense", "dense_fast", "units", "blocks", "elements", "few_elements", "rank", "mirror", "invariant"})
    EXPECT_NE(o.out.find("emmy_bench_infer_" + std::string(row) + " calls 16\n"), std::string::npos) << o.out << o.err;
}

TEST(Export, BadInput) {
  const Folder folder;
  const std::string model = folder.path("model"), absent = folder.path("absent");
  expect_done({"train", "--epochs", "1", "--save", model});
  expect_refused({"export", absent, "--header", folder.path("h")}, absent + ": cannot open", folder);
  expect_refused({"export", model, "--header", absent + "/h"}, absent + "/h: ", folder);
  expect_refused({"export", model, "--header", folder.path()}, "is a directory", folder);
  expect_refused({"export", model, "--header", ""}, "--header needs the name of a new file", folder);
  const std::string before = folder.get("model");
  expect_refused({"export", model, "--header", model}, "--header needs the name of a new file", folder);
  EXPECT_TRUE(folder.get("model") == before);
}

}  // namespace
}  // namespace emmy::cli
