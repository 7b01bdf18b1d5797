// emmy train --save and --resume: a run in two parts is the whole run, and only a whole, fitting file is gone on with.
#include <cstring>
#include <emmy/core/random.hpp>
#include <io/checkpoint.hpp>
#include <limits>

#include "command.hpp"

namespace emmy::cli {
namespace {

// `whole` in one run, then the same in two parts that stop after `stop` epochs; both must be the same file.
void expect_same_in_parts(const Words& options, const char* epochs, const char* stop) {
  const Folder folder;
  const Words train = Words{"train"} + options;
  expect_done(train + Words{"--epochs", epochs, "--save", folder.path("full"), "--json", folder.path("full.json")});
  expect_done(train + Words{"--epochs", epochs, "--stop-after", stop, "--save", folder.path("half")});
  const std::string out = expect_done(
      {"train", "--resume", folder.path("half"), "--save", folder.path("two"), "--json", folder.path("two.json")});
  EXPECT_NE(out.find(std::string("at epoch ") + std::string(stop) + " of " + epochs), std::string::npos) << out;
  ASSERT_FALSE(folder.get("full").empty());
  EXPECT_TRUE(folder.get("full") == folder.get("two")) << shown(options);
  EXPECT_FALSE(folder.get("full") == folder.get("half"));
  Json full = folder.json("full.json"), two = folder.json("two.json");
  full.erase("step_microseconds");
  two.erase("step_microseconds");
  EXPECT_EQ(full, two);
}

TEST(Resume, TwoPartsAreTheWhole) {
  expect_same_in_parts({}, "6", "3");
  expect_same_in_parts({"--batch", "64", "--learning-rate", "0.1", "--decay", "0.001", "--seed", "7"}, "3", "1");
  expect_same_in_parts({"--batch", "1", "--learning-rate", "0.005", "--draw", "500"}, "3", "2");
  expect_same_in_parts({"--governor", "--learning-rate", "0.01"}, "4", "2");
  expect_same_in_parts({"--governor", "--rule", "sgd"}, "3", "1");
  expect_same_in_parts({"--governor"}, "20", "18");  // the end of a run learns little, and is silent
  expect_same_in_parts({"--schedule", "cooldown"}, "4", "3");
  expect_same_in_parts({"--rule", "adam", "--decay", "0.01"}, "4", "2");
  expect_same_in_parts({"--rule", "adam-shared"}, "4", "2");
  expect_same_in_parts({"--rule", "sgd"}, "4", "2");
  expect_same_in_parts({"--rule", "momentum-clipped", "--clip", "0.02"}, "4", "2");
  expect_same_in_parts({"--rule", "lion", "--momentum", "0.8"}, "4", "2");
}

TEST(Resume, TwoPartsAreTheWholeUnderAConstraint) {
  expect_same_in_parts({"--constraint", "units", "--strength", "0.02"}, "6", "3");
  expect_same_in_parts({"--constraint", "sparse", "--strength", "0.003", "--fine-tune", "1"}, "5", "2");
  expect_same_in_parts({"--constraint", "rank"}, "4", "2");
}

TEST(Resume, ManyPartsInPlaceAreTheWhole) {
  const Folder folder;
  expect_done({"train", "--epochs", "4", "--save", folder.path("full")});
  expect_done({"train", "--epochs", "4", "--stop-after", "1", "--save", folder.path("part")});
  for (const char* stop : {"2", "3", "4"})
    expect_done({"train", "--resume", folder.path("part"), "--stop-after", stop, "--save", folder.path("part")});
  EXPECT_TRUE(folder.get("full") == folder.get("part"));
  // A finished run has nothing left to do.
  expect_done({"train", "--resume", folder.path("part"), "--save", folder.path("again")});
  EXPECT_TRUE(folder.get("full") == folder.get("again"));
}

TEST(Resume, AConstantScheduleCanGoOn) {
  const Folder folder;
  expect_done({"train", "--schedule", "constant", "--epochs", "5", "--save", folder.path("full")});
  expect_done({"train", "--schedule", "constant", "--epochs", "2", "--save", folder.path("half")});
  expect_done({"train", "--resume", folder.path("half"), "--epochs", "5", "--save", folder.path("two")});
  EXPECT_TRUE(folder.get("full") == folder.get("two"));
}

// Its groups are removed and certified: more epochs would void that.
TEST(Resume, AFinishedConstraintIsFinished) {
  const Folder folder;
  expect_done(
      {"train", "--constraint", "units", "--schedule", "constant", "--epochs", "2", "--save", folder.path("m")});
  expect_refused({"train", "--resume", folder.path("m"), "--epochs", "3"}, "is finished", folder);
  expect_done({"train", "--resume", folder.path("m")});
}

TEST(Resume, GoesOnWithTheSameFilesOnly) {
  const Folder folder;
  std::vector<std::string> lines = drawn_lines(320, 5);
  const std::string data = folder.put("data.csv", joined(lines)),
                    test = folder.put("test.csv", joined(drawn_lines(64, 6)));
  const Words files = {"--data", data, "--test", test};
  expect_done(Words{"train", "--epochs", "4", "--save", folder.path("full")} + files);
  expect_done(Words{"train", "--epochs", "4", "--stop-after", "2", "--save", folder.path("half")} + files);
  const Words resume = {"train", "--resume", folder.path("half"), "--save", folder.path("two")};
  expect_refused(resume, folder.path("half") + ": was trained on other rows", folder);
  std::swap(lines[0], lines[1]);
  ASSERT_NE(lines[0], lines[1]);
  expect_refused(resume + Words{"--data", folder.put("other.csv", joined(lines)), "--test", test},
                 "half: was trained on other rows", folder);
  expect_done(resume + files);
  EXPECT_TRUE(folder.get("full") == folder.get("two"));
}

TEST(Resume, AnUnfinishedConstraintSaysSo) {
  const Json j = trained({"--constraint", "units", "--epochs", "4", "--stop-after", "1"});
  EXPECT_EQ(j.at("constraint"), (Json{{"kind", "units"}}));
  EXPECT_EQ(j.at("epochs"), 1);
}

TEST(Resume, RefusesOtherOptions) {
  const Folder folder;
  const std::string model = folder.path("model");
  expect_done({"train", "--epochs", "4", "--stop-after", "1", "--save", model});
  const Words resume = {"train", "--resume", model, "--save", folder.path("out"), "--json", folder.path("out.json")};
  for (const Words& other : std::vector<Words>{{"--batch", "16"},
                                               {"--learning-rate", "0.05"},
                                               {"--schedule", "linear"},
                                               {"--governor"},
                                               {"--momentum", "0.9"},
                                               {"--decay", "0"},
                                               {"--seed", "1"},
                                               {"--constraint", "none"},
                                               {"--strength", "0.1"},
                                               {"--partner-decay", "0.1"},
                                               {"--fine-tune", "1"},
                                               {"--draw", "4000"}})
    expect_refused(resume + other, "--resume goes on with the saved options", folder);
  expect_refused(resume + Words{"--epochs", "5"}, model + " was planned for 4 epochs", folder);
  expect_refused(resume + Words{"--stop-after", "5"}, "--stop-after is 1 to 4", folder);
  expect_refused(resume + Words{"--epochs", "0"}, "epochs", folder);
}

// Refused as a model to resume and as one to export, and the output files that were there stay as they were.
void expect_unusable(const Folder& folder, const std::string& name, const std::string& text) {
  const std::string model = folder.path(name), save = folder.put("save", "old save"),
                    json = folder.put("json", "old json"), header = folder.put("header", "old header");
  expect_refused({"train", "--resume", model, "--save", save, "--json", json}, model + ": " + text, folder);
  EXPECT_EQ(folder.get("save"), "old save");
  EXPECT_EQ(folder.get("json"), "old json");
  EXPECT_EQ(folder.get("header"), "old header");
}
void expect_unusable_and_not_exported(const Folder& folder, const std::string& name, const std::string& text) {
  expect_unusable(folder, name, text);
  expect_refused({"export", folder.path(name), "--header", folder.path("header")}, folder.path(name) + ": " + text,
                 folder);
  EXPECT_EQ(folder.get("header"), "old header");
}

TEST(Resume, RefusesAnyDamage) {
  const Folder folder;
  expect_done({"train", "--epochs", "2", "--stop-after", "1", "--save", folder.path("whole")});
  const std::string whole = folder.get("whole");
  ASSERT_GT(whole.size(), 20000U);
  Pcg32 random{11};
  std::vector<std::size_t> places = {0, 8, 12, 16, 24, 32, whole.size() - 4, whole.size() - 1};  // header, table, CRC
  for (int i = 0; i < 24; ++i) places.push_back(random.below(static_cast<std::uint32_t>(whole.size())));
  for (const std::size_t at : places) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    static_cast<void>(folder.put("damaged", damaged));
    expect_unusable_and_not_exported(folder, "damaged", "");
  }
  for (const std::size_t length : {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{31}, std::size_t{36},
                                   whole.size() / 2, whole.size() - 1}) {
    static_cast<void>(folder.put("damaged", whole.substr(0, length)));
    expect_unusable_and_not_exported(folder, "damaged", "is truncated");
  }
  static_cast<void>(folder.put("damaged", whole + "x"));
  expect_unusable_and_not_exported(folder, "damaged", "has bytes after its end");
  expect_done({"train", "--resume", folder.path("whole")});
}

TEST(Resume, RefusesForeignFiles) {
  const Folder folder;
  static_cast<void>(folder.put("text", "0,1,2\n"));
  static_cast<void>(folder.put("image", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)));
  static_cast<void>(folder.put("nothing", ""));
  expect_unusable_and_not_exported(folder, "text", "is not an Emmy checkpoint");
  expect_unusable_and_not_exported(folder, "image", "is not an Emmy checkpoint");
  expect_unusable_and_not_exported(folder, "nothing", "the file is empty");
  expect_unusable_and_not_exported(folder, "absent", "cannot open");
  expect_unusable_and_not_exported(folder, "", "is a directory");
}

// Files whose CRC is right and whose content is not.
class Crafted : public testing::Test {
 protected:
  void SetUp() override {
    expect_done(
        {"train", "--epochs", "3", "--stop-after", "1", "--constraint", "units", "--save", folder_.path("model")});
    auto read = io::read_checkpoint(folder_.path("model"), std::nullopt);
    ASSERT_TRUE(read) << read.error().message;
    file_ = *read;
  }
  std::vector<std::byte>& section(std::string_view name) {
    for (auto& s : file_.sections)
      if (s.name == name) return s.bytes;
    throw std::runtime_error("no such section");
  }
  Json recipe() {
    const auto& bytes = section("recipe");
    return Json::parse(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  void set_recipe(const std::string& text) {
    auto& bytes = section("recipe");
    bytes.resize(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
  }
  template <class T>
  void set(std::string_view name, std::size_t offset, T value) {
    ASSERT_LE(offset + sizeof value, section(name).size());
    std::memcpy(section(name).data() + offset, &value, sizeof value);
  }
  void write() {
    const auto written = io::write_checkpoint(folder_.path("crafted"), file_);
    ASSERT_TRUE(written) << written.error().message;
  }
  void expect_refusal(const std::string& text) {
    write();
    expect_unusable(folder_, "crafted", text);
  }

  Folder folder_;
  io::Checkpoint file_;
};

TEST_F(Crafted, UnchangedIsAccepted) {
  write();
  EXPECT_TRUE(folder_.get("crafted") == folder_.get("model"));
  expect_done({"train", "--resume", folder_.path("crafted")});
}

TEST_F(Crafted, AnotherNet) {
  Json r = recipe();
  for (const char* kind : {"none", "sparse"}) {
    r["constraint"] = kind;
    set_recipe(r.dump());
    write();
    expect_unusable_and_not_exported(folder_, "crafted", "was saved by another net");
  }
}

TEST_F(Crafted, AnotherLayout) {
  file_.layout_hash ^= 1;
  write();
  expect_unusable_and_not_exported(folder_, "crafted", "was saved by another net");
}

TEST_F(Crafted, SectionsMissingOrOfAnotherSize) {
  const io::Checkpoint whole = file_;
  for (std::size_t i = 0; i < whole.sections.size(); ++i) {
    const std::string name = whole.sections[i].name,
                      text = name == "recipe" ? "no recipe in it"
                                              : std::string("section ") + name + " is missing or has another size";
    file_ = whole;
    file_.sections.erase(file_.sections.begin() + static_cast<std::ptrdiff_t>(i));
    expect_refusal(text);
    file_ = whole;
    file_.sections[i].bytes.push_back(std::byte{0});
    if (name != "recipe") expect_refusal(text);
  }
}

TEST_F(Crafted, RecipesThatNoOptionsGive) {
  const Json r = recipe();
  const auto with = [&](const char* field, const Json& value) {
    Json changed = r;
    changed[field] = value;
    set_recipe(changed.dump());
  };
  set_recipe("{");
  expect_refusal("its recipe is damaged");
  set_recipe("[]");
  expect_refusal("its recipe is damaged");
  with("epochs", "three");
  expect_refusal("its recipe is damaged");
  with("learning_rate", nullptr);
  expect_refusal("its recipe is damaged");
  with("epochs", 0);
  expect_refusal("--epochs");
  with("batch", 7);
  expect_refusal("--batch");
  with("momentum", 1.5);
  expect_refusal("--momentum");
  with("constraint", "foreign\nnews");
  expect_refusal("--constraint");
}

TEST_F(Crafted, NumbersThatNoRunHas) {
  const io::Checkpoint whole = file_;
  set("params", 64, std::numeric_limits<float>::quiet_NaN());
  expect_refusal("holds a weight that is not finite");
  file_ = whole;
  set("params", 64, std::numeric_limits<float>::infinity());
  expect_refusal("holds a weight that is not finite");
  // Progress: step, epoch, finished, generator.
  file_ = whole;
  set("progress", 0, std::int64_t{-1});
  expect_refusal("its progress is damaged");
  file_ = whole;
  set("progress", 8, std::int32_t{-1});
  expect_refusal("its progress is damaged");
  file_ = whole;
  set("progress", 12, std::uint32_t{2});
  expect_refusal("its progress is damaged");
  file_ = whole;
  set("progress", 24, std::uint64_t{0});
  expect_refusal("its progress is damaged");
}

TEST_F(Crafted, GovernorsThatNoRunHas) {
  expect_done({"train", "--epochs", "3", "--stop-after", "1", "--governor", "--save", folder_.path("model")});
  file_ = *io::read_checkpoint(folder_.path("model"), std::nullopt);
  const io::Checkpoint whole = file_;
  const auto with = [&](std::size_t offset, float value) {
    file_ = whole;
    set("governor", offset, value);
    expect_refusal("its governor is damaged");
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  ASSERT_EQ(section("governor").size(), 2 * sizeof kNan);
  for (const float falls : {kNan, kInf, -1.0f}) with(0, falls);
  for (const float bends : {kNan, kInf}) with(sizeof kNan, bends);
  file_ = whole;
  set("progress", section("progress").size() - 8, 0.0);
  expect_refusal("its governor is damaged");
  file_ = whole;
  std::erase_if(file_.sections, [](const io::Section& s) { return s.name == "governor"; });
  expect_refusal("section governor is missing");
}

}  // namespace
}  // namespace emmy::cli
