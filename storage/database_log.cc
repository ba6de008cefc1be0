#include "storage/database_log.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

// RocksDB's log format: blocks of records, none of which crosses a block's end.
// Record: masked CRC-32C u32 | length u16 | type u8 | payload; little-endian.
constexpr size_t kBlockBytes = 32768;
constexpr size_t kHeaderBytes = 7;
// Whole, first, middle, last. The types after these are of recycled logs, which
// this file never is.
constexpr uint8_t kFirstType = 1;
constexpr uint8_t kLastType = 4;

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = MakeCrcTable();

uint32_t AddToCrc(uint32_t crc, uint8_t byte) {
  return (crc >> 8) ^ kCrcTable[(crc ^ byte) & 0xff];
}

uint32_t Masked(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

uint32_t Load32(ByteView bytes) {
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 |
         static_cast<uint32_t>(bytes[3]) << 24;
}

// Whether a record that begins here fits its checksum with some length and
// type.
bool IsWholeButForItsHeader(ByteView rest) {
  const uint32_t stored = Load32(rest);
  for (uint8_t type = kFirstType; type <= kLastType; ++type) {
    uint32_t crc = AddToCrc(~uint32_t{0}, type);
    if (Masked(~crc) == stored) return true;
    for (const uint8_t byte : rest.subspan(kHeaderBytes)) {
      crc = AddToCrc(crc, byte);
      if (Masked(~crc) == stored) return true;
    }
  }
  return false;
}

}  // namespace

absl::Status CheckDatabaseLogBytes(ByteView bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t block_end =
        std::min(bytes.size(), (at / kBlockBytes + 1) * kBlockBytes);
    const ByteView rest = bytes.subspan(at, block_end - at);
    if (rest.size() < kHeaderBytes) {
      at = block_end;  // padding, or a torn header
      continue;
    }
    const size_t length = rest[4] | rest[5] << 8;
    const uint8_t type = rest[6];
    if (type >= kFirstType && type <= kLastType &&
        kHeaderBytes + length <= rest.size()) {
      at += kHeaderBytes + length;
      continue;
    }
    if (IsWholeButForItsHeader(rest)) {
      return absl::DataLossError(
          absl::StrCat("the header of the record at byte ", at,
                       " is damaged; what follows it would be forgotten"));
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CheckDatabaseLog(const fs::path& directory) {
  std::string name;
  if (!std::getline(std::ifstream(directory / "CURRENT"), name)) {
    return absl::OkStatus();
  }
  std::ifstream file(directory / name, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return Annotate(CheckDatabaseLogBytes(AsBytes(bytes)),
                  (directory / name).string() +
                      ": restore this file or the whole store from a copy");
}

}  // namespace qstore::storage
