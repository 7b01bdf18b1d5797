// Is a page well-formed?
#pragma once

#include <cctype>
#include <string>
#include <vector>

namespace emmy::report {

// Every tag that is opened is closed, in order: empty, or what is wrong.
inline std::string wrong_tags(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    if (html[at + 1] == '!') continue;
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "a tag without an end";
    std::size_t last = at + 1 + (html[at + 1] == '/');
    while (std::isalnum(static_cast<unsigned char>(html[last]))) ++last;
    const bool closes = html[at + 1] == '/';
    const std::string name = html.substr(at + 1 + closes, last - at - 1 - closes);
    if (html[end - 1] == '/') continue;
    if (!closes) {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is left open";
}

}  // namespace emmy::report
