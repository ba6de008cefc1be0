// Why all weights of a directory are left as they are: a table of rules, each
// with the reason that people are told. The first that fits counts.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "model/model_files.h"
#include "model/safetensors.h"

namespace qstore::model {

// A directory with weights.
struct DirectoryFacts {
  bool has_adapter_config = false;
  bool has_config = false;
  // Of its config.json: "" or why it cannot be read, in words that follow "it".
  std::string config_problem;
  Json::Value config;  // null when there is none or it cannot be read
  // The document that says that the weights are quantized, or "".
  std::string quantized_by;
  // A tensor that says so, or "".
  std::string quantized_tensor;
};

// `weights`: those that its config.json governs, or that lie in it.
DirectoryFacts ReadDirectory(const ModelFiles& files,
                             const std::string& directory,
                             const std::vector<const WeightFile*>& weights);

// Whether the document says that weights are quantized: any spelling, at any
// depth (text_config.quantization_config of vision-language models).
bool SaysQuantized(const Json::Value& config);

struct DirectoryRule {
  const char* name;
  const char* reason;  // follows "left as it is: "
  bool (*leaves)(const DirectoryFacts& facts);
  // Whether it holds even when the person asks for INT8.
  bool always;
};

std::span<const DirectoryRule> DirectoryRules();

// The first rule that leaves the directory; a null pointer: none.
const DirectoryRule* FindDirectoryRule(const DirectoryFacts& facts, bool ask);

}  // namespace qstore::model
