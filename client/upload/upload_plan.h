// What an upload will do, decided before the server is called: which files are
// sent, and which of their tensors are quantized and why.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/options.h"
#include "client/upload/directory_walk.h"
#include "model/quantization/quantization_plan.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

struct UploadPlan {
  std::vector<SourceFile> files;
  std::vector<std::string> notes;  // of CheckUploadFiles
  model::ModelFiles model;
  model::QuantizationPlan quantization;  // empty where quantizer is "none"
};

// Walks `options.source`, checks its safetensors files and reads the documents
// that say what the model is. Sends nothing.
absl::StatusOr<UploadPlan> PlanUpload(const UploadOptions& options);

// For FileBegin, by path.
std::map<std::string, v1::TensorSelection> SelectionsOf(
    const model::QuantizationPlan& plan);

// What the person should know before anything is sent, a sentence each.
std::vector<std::string> NotesOf(const UploadPlan& plan);

}  // namespace qstore::client
