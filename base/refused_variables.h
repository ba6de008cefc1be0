// Environment variables that CLI11 passes over.
#pragma once

#include <cstdlib>
#include <vector>

namespace qstore {

// From 2.4 on CLI11 leaves a variable out whose value its option refuses, as if
// it had not been set; 2.1 tells. Called after parsing with the options of a
// command that was given, this throws what the same value on the command line
// would have thrown. `Option` is CLI::Option, which this layer does not know.
template <typename Option>
void ParseRefusedVariables(const std::vector<Option*>& options) {
  for (Option* option : options) {
    if (option->count() > 0 || option->get_envname().empty()) continue;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets any
    const char* value = std::getenv(option->get_envname().c_str());
    if (value == nullptr || *value == '\0') continue;
    option->add_result(value);
    option->run_callback();
  }
}

}  // namespace qstore
