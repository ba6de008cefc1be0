// What an upload and a download are asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/names.h"

namespace qstore::client {

struct UploadOptions {
  std::filesystem::path source;  // a model directory or a .safetensors file
  std::string model;
  std::string tag;
  std::string quantizer = "absmax";
  std::string int8_coder = "zstd";
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool no_default_excludes = false;
  bool quantize = false;
  bool dry_run = false;
  bool force = false;  // upload also what looks like an accident
};

struct DownloadOptions {
  ModelReference reference;
  std::filesystem::path directory;
  std::string precision = "original";  // original, int8, fp16, bf16, fp32
  std::string format = "compressed-tensors";
  bool allow_original = false;
  uint32_t threads = 0;  // 0: all cores
  uint64_t memory_mib = 512;
};

}  // namespace qstore::client
