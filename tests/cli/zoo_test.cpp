// emmy train --net: every net beside digits trains on what Emmy draws, is saved, resumed and refused as digits is.
#include <cli/nets.hpp>

#include "command.hpp"

namespace emmy::cli {
namespace {

// The command was built for one of the targets of these nets, and this CPU has it.
const std::string kTarget =
    cpu_supports("avx2") && std::string(EMMY_ZOO_TARGETS).find("avx2") != std::string::npos ? "avx2" : "scalar";

Words net(const std::string& name, const Words& more = {}) { return Words{"train", "--net", name} + more; }

template <class C>
void expect_memory(const Json& j) {
  const Json& bytes = j.at("bytes");
  EXPECT_EQ(bytes.at("params"), sizeof(Params<typename C::Net>));
  EXPECT_EQ(bytes.at("scratch"), sizeof(Scratch<typename C::Net, C::kBatch, Train<typename C::Rule>>));
  EXPECT_LT(bytes.at("scratch").get<std::size_t>(), bytes.at("one_buffer_each").get<std::size_t>());
  std::printf("%s: scratch %zu B, with a buffer each %zu B, trainer %zu B\n", C::kName,
              bytes.at("scratch").get<std::size_t>(), bytes.at("one_buffer_each").get<std::size_t>(),
              bytes.at("trainer").get<std::size_t>());
}

TEST(Zoo, Exercises) {
  const Folder folder;
  const std::string out = expect_done(net("exercises", {"--epochs", "4", "--json", folder.path("j")}), kTarget);
  const Json j = folder.json("j");
  EXPECT_EQ(j.at("net"), "exercises");
  EXPECT_EQ(j.at("target"), kTarget);
  expect_sound_books(j);
  expect_memory<app::Exercises>(j);
  EXPECT_EQ(symmetries(j), (Words{"Rescaling<Layer<2>>", "Rescaling<Layer<6>>", "Translation<Layer<7>>"}));
  std::printf("exercises, 4 epochs on drawn recordings: accuracy %.3f, macro-F1 %.3f, vote %.3f\n",
              j.at("test_accuracy").get<double>(), j.at("macro_f1").get<double>(),
              j.at("recording_vote").get<double>());
  EXPECT_GE(j.at("test_accuracy").get<double>(), 0.85);
  EXPECT_GE(j.at("macro_f1").get<double>(), 0.85);
  EXPECT_GE(j.at("recording_vote").get<double>(), 0.9);
  for (const char* part : {"windows of 128 recordings, drawn by Emmy, split 0", "macro-F1", "of 41 recordings"})
    EXPECT_NE(out.find(part), std::string::npos) << part << "\n" << out;
}

TEST(Zoo, ExercisesByAGatedUnit) {
  const Json j = trained({"--net", "exercises-gru", "--epochs", "4"}, kTarget);
  EXPECT_EQ(j.at("net"), "exercises-gru");
  expect_sound_books(j);
  expect_memory<app::GruExercises>(j);
  EXPECT_EQ(symmetries(j), (Words{"Translation<Layer<2>>"}));  // neither sigmoid nor tanh keeps a scale
  EXPECT_GE(j.at("test_accuracy").get<double>(), 0.75);
}

TEST(Zoo, DigitsAsImages) {
  const Json j = trained({"--net", "digits-conv", "--epochs", "4"}, kTarget);
  EXPECT_EQ(j.at("net"), "digits-conv");
  expect_sound_books(j);
  expect_memory<app::ConvDigits>(j);
  EXPECT_EQ(symmetries(j), (Words{"Rescaling<Layer<2>>", "Rescaling<Layer<5>>", "Translation<Layer<6>>"}));
  std::printf("digits-conv, 4 epochs on drawn digits: accuracy %.3f\n", j.at("test_accuracy").get<double>());
  EXPECT_GE(j.at("test_accuracy").get<double>(), 0.93);
}

// One scale and one dead bias a unit before the BatchNorm, a rescaling of each of its gains.
TEST(Zoo, DigitsNormalised) {
  const Folder folder;
  const std::string out = expect_done(net("digits-norm", {"--epochs", "4", "--json", folder.path("j")}), kTarget);
  const Json j = folder.json("j");
  EXPECT_EQ(j.at("net"), "digits-norm");
  expect_sound_books(j);
  expect_memory<app::NormDigits>(j);
  EXPECT_EQ(j.at("bytes").at("buffers"), sizeof(Buffers<app::NormDigits::Net>));
  EXPECT_EQ(symmetries(j),
            (Words{"Scale<Layer<0>>", "Translation<Layer<0>>", "Rescaling<Layer<2>>", "Translation<Layer<3>>"}));
  EXPECT_NE(out.find("Scale<Layer<0>>"), std::string::npos) << out;
  std::printf("digits-norm, 4 epochs on drawn digits: accuracy %.3f\n", j.at("test_accuracy").get<double>());
  EXPECT_GE(j.at("test_accuracy").get<double>(), 0.93);
}

TEST(Zoo, IdleWindowsAsOther) {
  const Json j = trained({"--net", "exercises", "--epochs", "2", "--split", "2", "--idle-as-other"});
  EXPECT_FALSE(j.contains("recording_vote"));  // a recording holds windows of two classes then
  EXPECT_GT(j.at("macro_f1").get<double>(), 0.4);
}

TEST(Zoo, Controller) {
  const Folder folder;
  const std::string out = expect_done(net("controller", {"--epochs", "40", "--json", folder.path("j")}), kTarget);
  const Json j = folder.json("j");
  EXPECT_EQ(j.at("net"), "controller");
  EXPECT_FALSE(j.contains("test_accuracy"));
  expect_sound_books(j);
  expect_memory<app::Controller>(j);
  EXPECT_EQ(symmetries(j), (Words{"Rescaling<Layer<1>>", "Rescaling<Layer<3>>"}));
  EXPECT_EQ(j.at("steps"), 40 * (2000 / 32));
  const double error = j.at("test_mean_squared_error");
  std::printf("controller, 40 epochs on 2000 drawn rows: mean squared error %.4f\n", error);
  EXPECT_LE(error, 0.05);  // guessing the mean gives the variance, about 0.5
  char last[64];
  std::snprintf(last, sizeof last, "test mean squared error %.5f", error);
  EXPECT_NE(out.find(last), std::string::npos) << last << "\n" << out;
}

TEST(Zoo, ResumesBitExactly) {
  for (const char* name : {"digits-conv", "digits-norm", "exercises", "exercises-gru", "controller"}) {
    const Folder folder;
    const Words few = {"--epochs", "3", "--draw", "64"};
    expect_done(net(name, few + Words{"--save", folder.path("full")}), kTarget);
    expect_done(net(name, few + Words{"--stop-after", "1", "--save", folder.path("half")}), kTarget);
    expect_done({"train", "--resume", folder.path("half"), "--save", folder.path("two")}, kTarget);
    EXPECT_TRUE(folder.get("full") == folder.get("two")) << name;
    expect_refused({"train", "--resume", folder.path("half"), "--net", name}, "--resume goes on with the saved options",
                   folder);
    expect_refused({"export", folder.path("full"), "--header", folder.path("h")},
                   std::string("full: is of --net ") + name, folder);
  }
}

TEST(Zoo, Refuses) {
  const Folder folder;
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"--net", "resnet"}, "not 'resnet'"},
      {{"--net", ""}, "--net is digits"},
      {{"--net", "exercises", "--batch", "64"}, "--batch is 16 for --net exercises"},
      {{"--net", "digits-conv", "--batch", "1"}, "--batch is 16 for --net digits-conv"},
      {{"--net", "digits-conv", "--data", "x"}, "--data and --test go together"},
      {{"--net", "controller", "--batch", "16"}, "--batch is 32 for --net controller"},
      {{"--net", "controller", "--constraint", "units"}, "--constraint units is for --net digits"},
      {{"--net", "exercises", "--constraint", "sparse"}, "--constraint sparse is for --net digits"},
      {{"--net", "exercises", "--split", "3"}, "--split is 0 to 2"},
      {{"--net", "exercises", "--split", "-1"}, "--split is 0 to 2"},
      {{"--net", "exercises", "--draw", "10001"}, "--draw is 64 to 10000 recordings"},
      {{"--split", "1"}, "--split needs --net exercises"},
      {{"--net", "controller", "--idle-as-other"}, "--idle-as-other needs --net exercises"},
      {{"--net", "exercises", "--test", "x"}, "takes no --test"},
      {{"--net", "controller", "--data", "x"}, "takes no --data"},
      {{"--net", "exercises", "--data", folder.path("absent")}, folder.path("absent") + ": cannot be read as a folder"},
      {{"--net", "exercises", "--data", folder.path()}, "holds no *.npy"},
      {{"--net", "exercises", "--target", "avx9"}, "--net exercises, --rule momentum has no target 'avx9'"}};
  for (const auto& [words, text] : cases) expect_refused(Words{"train"} + words, text, folder);
  static_cast<void>(folder.put("x_squat.npy", "no recording"));
  expect_refused(net("exercises", {"--data", folder.path()}), folder.path("x_squat.npy") + ": is no NPY file", folder);
}

}  // namespace
}  // namespace emmy::cli
