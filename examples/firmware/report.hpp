// The charge report of a ledger over the console: how far the charges of a symmetry moved, why, and whether the
// arithmetic can be trusted.
#pragma once

#include <emmy/emmy.hpp>
#include <platforms/text.hpp>

namespace report {

template <class Symmetry, class Ledger>
void print_charge(const char* name, const Ledger& ledger) {
  char line[256];
  emmy::format_report(name, emmy::report_of<Symmetry>(ledger), line, sizeof line);
  emmy::platform::print(static_cast<const char*>(line), "\n");
}

}  // namespace report
