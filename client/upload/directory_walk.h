// Finds the files of a model directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/safetensors.h"

namespace qstore::client {

struct SourceFile {
  std::string path;  // relative to the model directory, '/' between segments
  std::filesystem::path location;
  uint64_t size_bytes = 0;
  int64_t modified_nanoseconds = 0;  // since 1970, when it was found
  // Stored as it is although its name says that it can be taken apart.
  bool as_bytes = false;
};

bool IsSafetensorsPath(const std::string& path);

// All regular files below `source`, ascending by path; or `source` itself under
// its own name when it is a .safetensors file. The rules:
//  - a symbolic link to a regular file stands for that file, wherever it is
//  (the
//    Hugging Face cache is made of such links);
//  - a link to a directory is refused, so there are no loops and no strays;
//  - `.git` is skipped; empty sub-directories leave no trace;
//  - what is no part of a model is left out unless it is asked for: `.env` and
//    `.env.*`, which hold secrets, `__pycache__`, `.ipynb_checkpoints` and
//    `.cache/huggingface`;
//  - a socket, pipe or device, a dangling link, a name that the store does not
//    take, and a directory without any file are errors that name the path.
struct WalkOptions {
  bool all_files = false;  // also what is no part of a model
};
// `left_out`, which may be null: paths of what was left out, but `.git`.
absl::StatusOr<std::vector<SourceFile>> ListModelFiles(
    const std::filesystem::path& source, const WalkOptions& options = {},
    std::vector<std::string>* left_out = nullptr);

// Reads and checks the header of a safetensors file. INVALID_SAFETENSORS:
// it cannot be taken apart into tensors; any other error is one of reading it.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const SourceFile& file);

}  // namespace qstore::client
