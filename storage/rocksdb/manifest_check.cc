#include "storage/rocksdb/manifest_check.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

// RocksDB's log format (its wiki, "Write Ahead Log File Format"): blocks, in
// them records of masked CRC-32C u32, length u16, type u8, payload; the
// checksum is of type and payload. No record crosses a block.
constexpr size_t kBlockBytes = 32u << 10;
constexpr size_t kHeaderBytes = 7;
// Whole, first, middle, last. Above are those of reused files, of which RocksDB
// takes any that it does not expect for the end as well.
constexpr uint8_t kLastRecordType = 4;

// Some multiples of what DatabaseOptions lets a manifest grow to.
constexpr uint64_t kMaxManifestBytes = 1u << 30;

constexpr char kAdvice[] =
    ": restore a backup (docs/operations.md), and keep a copy of the directory "
    "for whoever looks into it";

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  constexpr uint32_t kCastagnoliReversed = 0x82F63B78;
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCastagnoliReversed : 0);
    }
    table[i] = crc;
  }
  return table;
}

class Crc32c {
 public:
  void Add(char byte) {
    static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
    state_ =
        kTable[(state_ ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (state_ >> 8);
  }
  // As RocksDB stores it.
  uint32_t masked() const {
    const uint32_t crc = ~state_;
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
  }

 private:
  uint32_t state_ = ~0u;
};

uint32_t LengthAt(std::string_view header) {
  return LoadLittleEndian<uint16_t>(
      reinterpret_cast<const uint8_t*>(header.data()) + 4);
}

enum class Length { kAll, kAny };

// Whether `bytes` are a record: all of them, or any number from the first on.
bool IsRecord(std::string_view bytes, Length length) {
  if (bytes.size() <= kHeaderBytes) return false;
  const auto stored = LoadLittleEndian<uint32_t>(
      reinterpret_cast<const uint8_t*>(bytes.data()));
  Crc32c crc;
  crc.Add(bytes[kHeaderBytes - 1]);
  for (const char byte : bytes.substr(kHeaderBytes)) {
    crc.Add(byte);
    if (length == Length::kAny && crc.masked() == stored) return true;
  }
  return crc.masked() == stored;
}

// `bytes`: from where a record claims too much to the end of the file.
bool HoldsWholeRecord(std::string_view bytes) {
  if (IsRecord(bytes, Length::kAny)) return true;
  for (size_t at = 1; at + kHeaderBytes < bytes.size(); ++at) {
    const std::string_view rest = bytes.substr(at);
    const size_t record_bytes = kHeaderBytes + LengthAt(rest);
    if (record_bytes > kHeaderBytes && record_bytes <= rest.size() &&
        IsRecord(rest.substr(0, record_bytes), Length::kAll)) {
      return true;
    }
  }
  return false;
}

absl::StatusOr<bool> HasTableFiles(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".sst") return true;
  }
  if (!error) return false;
  return ErrnoStatus(error.value(), "listing " + directory.string());
}

// An answer that the disk does not give is no damage.
absl::StatusOr<bool> Exists(const fs::path& path) {
  std::error_code error;
  const bool exists = fs::exists(path, error);
  if (!error) return exists;
  return ErrnoStatus(error.value(), "looking for " + path.string());
}

}  // namespace

absl::Status CheckManifestRecords(std::string_view manifest) {
  for (size_t block = 0; block < manifest.size(); block += kBlockBytes) {
    std::string_view rest = manifest.substr(block, kBlockBytes);
    while (rest.size() >= kHeaderBytes) {
      const size_t record_bytes = kHeaderBytes + LengthAt(rest);
      const auto type = static_cast<uint8_t>(rest[kHeaderBytes - 1]);
      const size_t at =
          block + std::min(manifest.size() - block, kBlockBytes) - rest.size();
      if (type > kLastRecordType) {
        return absl::DataLossError(absl::StrCat(
            "the record at byte ", at, " has the unknown type ", type));
      }
      if (record_bytes > rest.size()) {
        // In other blocks than the last, RocksDB reports it.
        if (!HoldsWholeRecord(rest)) break;
        return absl::DataLossError(
            absl::StrCat("the record at byte ", at, " has a damaged length"));
      }
      rest.remove_prefix(record_bytes);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckManifest(const fs::path& directory) {
  const fs::path current = directory / "CURRENT";
  QSTORE_ASSIGN_OR_RETURN(const bool has_current, Exists(current));
  if (!has_current) {
    QSTORE_ASSIGN_OR_RETURN(const bool has_tables, HasTableFiles(directory));
    if (!has_tables) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        current.string(), " is missing beside table files", kAdvice));
  }
  constexpr uint64_t kMaxCurrentBytes = 4096;
  QSTORE_ASSIGN_OR_RETURN(std::string name,
                          ReadWholeFile(current, kMaxCurrentBytes));
  if (name.ends_with('\n')) name.pop_back();
  const fs::path path = directory / name;
  QSTORE_ASSIGN_OR_RETURN(const bool has_manifest, Exists(path));
  if (name.find('/') != std::string::npos || !has_manifest) {
    return absl::DataLossError(absl::StrCat(current.string(), " names ",
                                            Quoted(name),
                                            ", which is not there", kAdvice));
  }
  QSTORE_ASSIGN_OR_RETURN(const std::string manifest,
                          ReadWholeFile(path, kMaxManifestBytes));
  absl::Status status = CheckManifestRecords(manifest);
  if (status.ok()) return status;
  return absl::DataLossError(
      absl::StrCat(path.string(), ": ", status.message(), kAdvice));
}

}  // namespace qstore::storage
