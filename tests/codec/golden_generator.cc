// Writes the golden files: golden_generator DIRECTORY. Existing files are never
// overwritten: stored bytes must stay readable, so a new version of the format
// gets a new directory.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/codec/chunk_file.h"
#include "tests/codec/golden_cases.h"
#include "tests/codec/int8/int8_golden_cases.h"

namespace {

void WriteIfAbsent(const std::filesystem::path& path,
                   const qstore::ByteVector& file) {
  if (std::filesystem::exists(path)) {
    std::printf("%s is there already\n", path.c_str());
    return;
  }
  std::ofstream(path, std::ios::binary) << qstore::AsStringView(file);
  std::printf("%s: %zu bytes\n", path.c_str(), file.size());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace qstore::codec;  // NOLINT(google-build-using-namespace)
  if (argc != 2) {
    std::fprintf(stderr, "usage: golden_generator DIRECTORY\n");
    return 1;
  }
  for (const GoldenCase& golden : GoldenCases()) {
    EncodedChunk chunk;
    const absl::Status status = golden.Encode(&chunk);
    if (!status.ok()) {
      std::fprintf(stderr, "%s: %s\n", golden.name.c_str(),
                   status.ToString().c_str());
      return 1;
    }
    WriteIfAbsent(std::filesystem::path(argv[1]) / (golden.name + ".chunk"),
                  WriteChunkFile(golden.shape, chunk, golden.Weights()));
  }
  for (const Int8GoldenCase& golden : Int8GoldenCases()) {
    WriteIfAbsent(std::filesystem::path(argv[1]) / (golden.name + ".int8"),
                  golden.Bytes());
  }
  return 0;
}
