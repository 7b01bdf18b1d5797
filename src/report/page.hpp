// What the pages of Emmy share: a document without script or address, light and dark, and cards with a chart and its key.
#pragma once

#include <string>

namespace emmy::report {

// The document up to and with its title as a heading; `end_page` closes it.
[[nodiscard]] std::string begin_page(const std::string& title);
[[nodiscard]] std::string end_page();
// A chart under a title, with its key below.
[[nodiscard]] std::string card(const std::string& title, const std::string& chart, const std::string& key);
// A line of a key; style: a class of the page's style sheet.
[[nodiscard]] std::string key(const char* style, const std::string& text);

}  // namespace emmy::report
