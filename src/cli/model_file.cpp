#include "cli/model_file.hpp"

#include <nlohmann/json.hpp>

namespace emmy::app {

namespace {
constexpr const char* kRecipe = "recipe";
}

io::Section section_of_recipe(const Recipe& r) {
  const nlohmann::json j = {{"net", r.net},
                            {"constraint", r.constraint},
                            {"schedule", r.schedule},
                            {"epochs", r.epochs},
                            {"batch", r.batch},
                            {"learning_rate", r.learning_rate},
                            {"momentum", r.momentum},
                            {"decay", r.decay},
                            {"strength", r.strength},
                            {"partner", r.partner},
                            {"fine_tune", r.fine_tune},
                            {"seed", r.seed},
                            {"drawn", r.drawn},
                            {"split", r.split},
                            {"idle_as_other", r.idle_as_other},
                            {"label_noise", r.label_noise},
                            {"governor", r.governor},
                            {"clip", r.clip},
                            {"rule", r.rule}};
  const std::string text = j.dump();
  io::Section s{kRecipe, std::vector<std::byte>(text.size())};
  std::memcpy(s.bytes.data(), text.data(), text.size());
  return s;
}

io::Result<Recipe> read_recipe(const io::Checkpoint& file, std::string_view path) {
  const auto* bytes = file.find(kRecipe);
  if (bytes == nullptr) return io::Error{io::shown_path(path) + ": no recipe in it: not a model of the emmy command"};
  try {
    const auto* text = reinterpret_cast<const char*>(bytes->data());
    const nlohmann::json j = nlohmann::json::parse(text, text + bytes->size());
    Recipe r;
    j.at("net").get_to(r.net);
    j.at("constraint").get_to(r.constraint);
    j.at("schedule").get_to(r.schedule);
    j.at("epochs").get_to(r.epochs);
    j.at("batch").get_to(r.batch);
    j.at("learning_rate").get_to(r.learning_rate);
    j.at("momentum").get_to(r.momentum);
    j.at("decay").get_to(r.decay);
    j.at("strength").get_to(r.strength);
    j.at("partner").get_to(r.partner);
    j.at("fine_tune").get_to(r.fine_tune);
    j.at("seed").get_to(r.seed);
    j.at("drawn").get_to(r.drawn);
    j.at("split").get_to(r.split);
    j.at("idle_as_other").get_to(r.idle_as_other);
    r.label_noise = j.value("label_noise", 0.0);
    r.governor = j.value("governor", false);
    r.clip = j.value("clip", r.clip);
    j.at("rule").get_to(r.rule);
    return r;
  } catch (const nlohmann::json::exception&) {
    return io::Error{io::shown_path(path) + ": its recipe is damaged"};
  }
}

}  // namespace emmy::app
