// Bad input: one clear line on stderr, exit status 2, nothing written.
#include "command.hpp"

namespace emmy::cli {
namespace {

class BadInput : public testing::Test {
 protected:
  // Options refused with `text`, which the one line on stderr must hold.
  void refused(const Words& words, const std::string& text) {
    expect_refused(Words{"train", "--json", folder_.path("out.json"), "--save", folder_.path("out.model")} + words,
                   text, folder_);
  }
  Folder folder_;
};

TEST_F(BadInput, Options) {
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"--epochs", "0"}, "--epochs is 1 to"},
      {{"--epochs", "-5"}, "--epochs is 1 to"},
      {{"--epochs", "abc"}, "--epochs = abc"},
      {{"--epochs", "1e3"}, "--epochs = 1e3"},
      {{"--epochs", "99999999999"}, "--epochs = 99999999999"},
      {{"--epochs", "2000000"}, "--epochs is 1 to"},
      {{"--epochs", "010", "--stop-after", "11"}, "--stop-after is 1 to 10"},  // no octal 8
      {{"--epochs"}, "--epochs"},
      {{"--epochs", "1", "--epochs", "2"}, "--epochs"},
      {{"--batch", "7"}, "--batch is 1, 16 or 64"},
      {{"--batch", "0"}, "--batch is"},
      {{"--batch", "-16"}, "--batch is"},
      {{"--batch", "16.5"}, "--batch"},
      {{"--batch", "64", "--constraint", "units"}, "--batch is 16 with a constraint"},
      {{"--learning-rate", "nan"}, "--learning-rate is 0 to 10"},
      {{"--learning-rate", "-1"}, "--learning-rate is 0 to 10"},
      {{"--learning-rate", "1e9"}, "--learning-rate is 0 to 10"},
      {{"--learning-rate", "inf"}, "--learning-rate is 0 to 10"},
      {{"--learning-rate", "x"}, "--learning-rate"},
      {{"--governor", "--momentum", "0.5"}, "--governor is for plain steps"},
      {{"--governor", "--constraint", "units"}, "--governor is for --constraint none"},
      {{"--governor", "--learning-rate", "0"}, "--governor starts from a --learning-rate of 1e-9 to 1"},
      {{"--governor", "--learning-rate", "1e-60"}, "--governor starts from a --learning-rate of 1e-9 to 1"},
      {{"--governor", "--learning-rate", "5"}, "--governor starts from a --learning-rate of 1e-9 to 1"},
      {{"--rule", "adagrad"}, "--rule is one of momentum, sgd, nesterov"},
      {{"--rule", "lion", "--net", "exercises"}, "--rule lion is for --net digits"},
      {{"--rule", "sign", "--constraint", "units"}, "--rule sign is for --net digits without a constraint"},
      {{"--rule", "rmsprop", "--batch", "64"}, "--batch is 16 with a constraint or another rule"},
      {{"--rule", "rmsprop", "--momentum", "0.9"}, "--momentum is not for --rule rmsprop"},
      {{"--rule", "nesterov", "--governor"}, "--governor is for plain steps"},
      {{"--rule", "momentum-clipped", "--clip", "0"}, "--clip is above 0"},
      {{"--rule", "momentum-clipped", "--clip", "nan"}, "--clip is above 0"},
      {{"--clip", "0.1"}, "--clip needs --rule momentum-clipped"},
      {{"--momentum", "1"}, "--momentum is 0 to 0.999"},
      {{"--momentum", "-0.1"}, "--momentum is"},
      {{"--momentum", "nan"}, "--momentum is"},
      {{"--decay", "-1"}, "--decay is"},
      {{"--decay", "nan"}, "--decay is"},
      {{"--decay", "2"}, "--decay is"},
      {{"--constraint", "units", "--strength", "-1"}, "--strength is 0 to 1"},
      {{"--constraint", "sparse", "--strength", "nan"}, "--strength is"},
      {{"--strength", "0.1"}, "--strength needs --constraint"},
      {{"--partner-decay", "0.1"}, "--partner-decay needs --constraint"},
      {{"--fine-tune", "1"}, "--fine-tune needs --constraint"},
      {{"--constraint", "units", "--partner-decay", "-1"}, "--partner-decay is"},
      {{"--constraint", "units", "--fine-tune", "-1"}, "--fine-tune is"},
      {{"--constraint", "everything"}, "'everything'"},
      {{"--constraint", "blocks", "--report", "folder"}, "--report is of charges"},
      {{"--constraint", "rank", "--fine-tune", "1"}, "--fine-tune is not for --constraint rank"},
      {{"--constraint", "blocks", "--batch", "64"}, "--batch is 16 with a constraint"},
      {{"--constraint", "rank", "--net", "exercises"}, "--constraint rank is for --net digits"},
      {{"--constraint", ""}, "--constraint is"},
      {{"--schedule", "steps"}, "--schedule is linear, cosine, cooldown or constant, not 'steps'"},
      {{"--seed", "-1"}, "--seed"},
      {{"--seed", "x"}, "--seed"},
      {{"--seed", "99999999999999999999999"}, "--seed"},
      {{"--draw", "1"}, "--draw is"},
      {{"--draw", "-4000"}, "--draw is"},
      {{"--draw", "100000000"}, "--draw is"},
      {{"--stop-after", "0"}, "--stop-after is 1 to 20"},
      {{"--stop-after", "21"}, "--stop-after is 1 to 20"},
      {{"--unknown", "1"}, "--unknown"},
      {{"extra"}, "extra"},
      {{"--target", "avx9"}, "'avx9'"},
      {{"--net", "controller", "--rule", "momentum", "--target", "sse4"}, "'sse4' in this build, on this CPU (it has "},
      {{"--target", "two\nlines"}, "two\\x0alines"},
      {{"--constraint", "two\nlines"}, "two\\x0alines"},
      {{"two\nlines"}, "two"},
  };
  for (const auto& [words, text] : cases) refused(words, text);
}

TEST_F(BadInput, Commands) {
  expect_refused({}, "subcommand", folder_);
  expect_refused({"frob"}, "'frob'", folder_);
  expect_refused({"--frob"}, "subcommand", folder_);
  expect_refused({"train", "export"}, "export", folder_);
  expect_refused({"export"}, "model", folder_);
  expect_refused({"export", "x"}, "--header", folder_);
  expect_refused({"golden"}, "files", folder_);
  for (const char* name : {"train", "export", "golden"}) {
    const Outcome o = emmy({name, "--help"});
    EXPECT_EQ(o.status, 0);
    EXPECT_EQ(o.err, "");
    EXPECT_NE(o.out.find("--help"), std::string::npos);
  }
}

// Told before the training, not after it: no epoch is printed.
TEST_F(BadInput, OutputsThatCannotBeWritten) {
  std::filesystem::create_directory(folder_.path("folder"));
  const std::string there = folder_.put("there", "old");
  for (const char* option : {"--json", "--save"}) {
    const auto one = [&](const std::string& path, const std::string& text) {
      const Words words = {"train", option, path};
      expect_refused(words, text, folder_);
      EXPECT_EQ(emmy(words).out.find("epoch "), std::string::npos);
    };
    one(folder_.path("absent/out"), folder_.path("absent/out") + ": its folder is not there");
    one(folder_.path("folder"), folder_.path("folder") + ": is a folder");
    one(there + "/out", there + "/out: ");
    one("/dev/null", "/dev/null: is not a regular file");
    one("", std::string(option) + " needs the name of a file");
    one(folder_.path("two\nlines/out"), "two\\x0alines/out: ");
  }
  expect_refused({"train", "--json", folder_.path("out"), "--save", folder_.path("out")}, "both --save and --json",
                 folder_);
  std::filesystem::create_directories(folder_.path("report/report.html"));
  expect_refused({"train", "--report", folder_.path("report")}, "report/report.html: is a folder", folder_);
  EXPECT_FALSE(folder_.has("report/report.txt"));
  EXPECT_EQ(folder_.get("there"), "old");
}

// What is printed is a result too.
TEST_F(BadInput, OutputThatIsFull) {
  for (const char* words : {"train --epochs 1", "--version"}) {
    const Outcome o = run("/bin/sh", {"-c", "'" + std::string(EMMY_COMMAND) + "' " + words + " > /dev/full"});
    EXPECT_EQ(o.status, 1) << words;
    EXPECT_TRUE(o.err.starts_with("emmy: ")) << words << ": " << o.err;
  }
}

// However the path is spelled: a file that is read is not written.
TEST_F(BadInput, OutputsThatAreInputs) {
  const std::string rows = folder_.put("rows.csv", joined(drawn_lines(64, 9))), before = folder_.get("rows.csv");
  std::filesystem::create_directory(folder_.path("down"));
  std::filesystem::create_symlink(rows, folder_.path("link"));
  for (const std::string& same : {rows, folder_.path("down/../rows.csv"), folder_.path("link")})
    for (const std::string option : {"--json", "--save"}) {
      expect_refused({"train", "--data", rows, "--test", rows, option, same}, "named by both " + option + " and --data",
                     folder_);
      EXPECT_EQ(folder_.get("rows.csv"), before);
    }
}

class BadRows : public BadInput {
 protected:
  void SetUp() override {
    lines_ = drawn_lines(64, 9);
    good_ = folder_.put("good.csv", joined(lines_));
    expect_done({"train", "--epochs", "1", "--data", good_, "--test", good_});
  }
  // The content is refused as training rows and as test rows; `text` is what follows the file's name.
  void rows(const std::string& content, const std::string& text) {
    const std::string bad = folder_.put("bad.csv", content);
    refused({"--data", bad, "--test", good_}, bad + text);
    refused({"--data", good_, "--test", bad}, bad + text);
  }
  // The same for good rows with field `column` of line `line` (both from 1) replaced.
  void field(std::size_t line, std::size_t column, const std::string& value, const std::string& text) {
    std::vector<std::string> lines = lines_;
    std::string& row = lines[line - 1];
    std::size_t from = 0;
    for (std::size_t c = 1; c < column; ++c) from = row.find(',', from) + 1;
    const std::size_t to = std::min(row.find(',', from), row.size());
    row.replace(from, to - from, value);
    rows(joined(lines), std::string(":") + std::to_string(line) + ": column " + std::to_string(column) + ": " + text);
  }

  std::vector<std::string> lines_;
  std::string good_;
};

TEST_F(BadRows, Fields) {
  field(1, 1, "abc", "\"abc\" is not a number");
  field(64, 64, "1x", "\"1x\" is not a number");
  field(12, 7, "nan", "\"nan\" is not finite");
  field(12, 7, "NaN", "\"NaN\" is not finite");
  field(13, 8, "inf", "\"inf\" is not finite");
  field(13, 8, "-inf", "\"-inf\" is not finite");
  field(14, 9, "1e999", "\"1e999\" is too large");
  field(15, 10, "16.5", "\"16.5\" is not in 0..16");
  field(15, 10, "-1", "\"-1\" is not in 0..16");
  field(16, 11, "", "the field is empty");
  field(17, 65, "10", "\"10\" is not a label");
  field(17, 65, "-1", "\"-1\" is not a label");
  field(17, 65, "2.5", "\"2.5\" is not a label");
  field(17, 65, "nan", "\"nan\" is not a label");
  field(18, 65, "", "the field is empty");
  field(19, 3, std::string("\x01\n", 1), "\"\\x01\" is not a number");
}

TEST_F(BadRows, Lines) {
  const std::string all = joined(lines_);
  const std::string& row = lines_[0];
  rows("1,2,3\n" + all, ":1: column 4: the field is missing");
  rows(all + row.substr(0, row.rfind(',')) + "\n", ":65: column 65: the field is missing");
  rows(all + row.substr(0, row.rfind(',')), ":65: column 65: the field is missing");
  rows(row + ",0\n" + all, ":1: column 66: one field too many");
  rows(row + "\n\n" + all, ":2: column 1: the line is blank");
  rows(std::string(100000, '7'), ":1: column 1: ");
}

TEST_F(BadRows, Files) {
  rows("", ": the file is empty");
  rows("\n", ": the file has no data");
  const std::string absent = folder_.path("absent.csv");
  refused({"--data", absent, "--test", good_}, absent + ": cannot open");
  refused({"--data", good_, "--test", absent}, absent + ": cannot open");
  refused({"--data", folder_.path(), "--test", good_}, "is a directory");
  refused({"--data", good_}, "--data and --test go together");
  refused({"--test", good_}, "--data and --test go together");
  refused({"--data", "", "--test", good_}, "--data needs the name of a file");
  const std::string few = folder_.put("few.csv", joined({lines_.begin(), lines_.begin() + 15}));
  refused({"--data", few, "--test", good_}, few + ": 15 rows do not fill a batch of 16");
}

}  // namespace
}  // namespace emmy::cli
