// What a session, an upload and a download are asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "model/selection.h"

namespace qstore::client {

struct SessionOptions {
  // HOST:PORT or any other target that gRPC knows (`dns:///…`, `unix:PATH`).
  std::string server = "127.0.0.1:7350";
  // How long one attempt waits for an answer.
  double connect_timeout_seconds = 10;
  // How long to go on trying, without getting further, while the server is away
  // or busy; 0: not at all.
  double retry_seconds = 60;
  // The same while the server has never been reached by the call, if that is
  // less.
  double first_contact_seconds = std::numeric_limits<double>::infinity();
};

struct UploadOptions {
  std::filesystem::path source;  // a model directory or a .safetensors file
  std::string model;
  std::string tag = "latest";
  // How linear weights are quantized, by name (codec/quantizer.h); empty: the
  // default; "none": everything is stored losslessly, without INT8.
  std::string quantizer;
  // How INT8 codes are compressed, by name (codec/int8/int8_coder.h); empty:
  // the default.
  std::string int8_coder;
  // Globs (`*`, `?`) on names of tensors: quantize only those that fit, and not
  // those.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  // Quantize also what is left as it is by itself (embeddings, heads, norms).
  bool no_default_excludes = false;
  // Quantize also weights that no Transformers config.json governs.
  bool quantize = false;
  bool force = false;  // upload also what looks like an accident
  // Upload also what is no part of a model (directory_walk.h).
  bool all_files = false;
};

struct DownloadOptions {
  // Part of the revision; everything by itself. Files of which only some
  // tensors are read come with these alone and a header that says so.
  model::Selection selection = {};
  std::string precision = "original";  // original, int8, fp16, bf16, fp32
  std::string format = "compressed-tensors";  // of INT8 files
  // Write the original files where there is no INT8 that engines can read,
  // instead of failing.
  bool allow_original = false;
  uint32_t threads = 0;  // that decode; 0: as many as there are cores
  // Bounds chunks that were received and are not yet written. Each thread has a
  // decoder, at most 64 MiB, on top.
  uint64_t memory_bytes = uint64_t{512} << 20;
};

}  // namespace qstore::client
