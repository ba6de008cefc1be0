// Damage to RocksDB's files on disk.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace qstore::storage {

inline std::vector<std::filesystem::path> FilesWithExtension(
    const std::filesystem::path& directory, const std::string& extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  return files;
}

inline std::string FileBytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Flips a bit in the middle of `needle` in whichever file of the directory
// holds it; fails the test when none does.
inline void FlipBitOnDisk(const std::filesystem::path& directory,
                          ByteView needle) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes = FileBytes(entry.path());
    const size_t at = bytes.find(AsStringView(needle));
    if (at == std::string::npos) continue;
    bytes[at + needle.size() / 2] ^= 0x20;
    std::ofstream(entry.path(), std::ios::binary | std::ios::trunc) << bytes;
    return;
  }
  ADD_FAILURE() << "no file in " << directory << " holds the bytes";
}

}  // namespace qstore::storage
