// What is quantized when a model is stored, and why the rest is not. Decided by
// what the model is: first by the config.json that governs a file, then by the
// rules of tensor_rules.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model_files.h"
#include "model/safetensors.h"

namespace qstore::model {

struct PlanOptions {
  // The person asks for it: also files that no Transformers config.json
  // governs. What is quantized already stays as it is.
  bool ask = false;
  std::vector<std::string> include = {};  // globs on names; empty: everything
  std::vector<std::string> exclude = {};
  bool no_default_excludes = false;
};

struct TensorPlan {
  bool quantized = false;
  // A word and a sentence; of a tensor that is quantized "linear" and what it
  // is.
  const char* rule = "";
  const char* reason = "";
};

struct FilePlan {
  std::string path;
  std::vector<TensorPlan> tensors;  // as WeightFile::tensors
};

struct QuantizationPlan {
  std::vector<FilePlan> files;  // as ModelFiles::weights
  // A line for each directory, or file, none of whose weights are quantized for
  // a reason that is not the tensors': "2_Dense: left as it is, since ...".
  std::vector<std::string> notes;
  uint64_t quantized_count = 0;
  // Patterns of the options that fit no tensor's name.
  std::vector<std::string> unused_patterns;
};

QuantizationPlan PlanQuantization(const ModelFiles& files,
                                  const PlanOptions& options);

// The tensors of one file of which nothing else is known. Many patterns on many
// long names take a while: for each tensor `cancelled` is asked (empty: never),
// and CANCELLED when it says so.
absl::StatusOr<std::vector<TensorPlan>> PlanLoneFile(
    const std::vector<TensorEntry>& tensors, const PlanOptions& options,
    const std::function<bool()>& cancelled = {});

}  // namespace qstore::model
