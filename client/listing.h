// What the server has: models, and what a revision holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/dtype.h"
#include "model/layer_bytes.h"

namespace qstore::client {

struct ModelListing {
  std::string name;
  std::map<std::string, std::string> revision_by_tag;
  std::vector<std::string> revisions;  // newest first
};

struct RevisionSummary {
  int64_t created_unix_seconds = 0;
  uint64_t original_bytes = 0;  // of all files
  uint64_t stored_bytes = 0;
};

struct TensorListing {
  std::string name;
  Dtype dtype = Dtype::kF32;  // of the original
  std::vector<uint64_t> shape;
  uint64_t raw_bytes = 0;  // of the original
  bool quantized = false;
  std::string int8_coder;    // that was asked for; empty unless quantized
  model::LayerBytes stored;  // keys included

  uint64_t element_count() const {
    uint64_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    return count;
  }
};

struct FileListing {
  std::string path;
  uint64_t size_bytes = 0;
  // Stored bytes of a safetensors file's header, or of the whole of any other
  // file.
  uint64_t other_bytes = 0;
  std::vector<TensorListing> tensors;  // of a safetensors file
};

struct RevisionListing {
  std::string model;
  std::string revision;
  int64_t created_unix_seconds = 0;
  std::vector<std::string> tags;  // that name it
  std::string quantizer;          // asked for when it was uploaded
  model::LayerBytes stored;
  uint64_t original_bytes = 0;    // of all files
  uint64_t two_copies_bytes = 0;  // original files and INT8 files
  std::vector<FileListing> files;
};

}  // namespace qstore::client
