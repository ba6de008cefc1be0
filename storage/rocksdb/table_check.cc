#include "storage/rocksdb/table_check.h"

#include <google/protobuf/io/coded_stream.h>

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"

namespace qstore::storage {
namespace {

using google::protobuf::io::CodedInputStream;

// RocksDB's table format (its wiki, "Rocksdb BlockBasedTable Format"), format
// versions 1 to 5. The footer: type of checksum u8, handles of the metaindex
// and of the index padded to 40 bytes, version u32, magic number u64.
constexpr uint64_t kFooterBytes = 53;
constexpr int kHandlesBytes = 40;
constexpr uint64_t kMagicNumber = 0x88E241B785F4CFF7;
constexpr uint32_t kLastVersion = 5;
constexpr uint8_t kXxh3 = 4;
// After each block: type of compression u8, checksum u32.
constexpr uint64_t kTrailerBytes = 5;
// More than both blocks ever take.
constexpr uint64_t kMaxBlockBytes = 1u << 20;

constexpr std::string_view kPropertiesName = "rocksdb.properties";
constexpr std::string_view kDataSizeName = "rocksdb.data.size";

struct Handle {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

template <typename Unsigned>
Unsigned LoadAt(std::string_view bytes, size_t at) {
  return LoadLittleEndian<Unsigned>(AsBytes(bytes).data() + at);
}

CodedInputStream StreamOf(std::string_view bytes) {
  return CodedInputStream(AsBytes(bytes).data(),
                          static_cast<int>(bytes.size()));
}

// None when it is no handle of a block in a file of that size.
std::optional<Handle> ReadHandle(std::string_view bytes,
                                 uint64_t file_size_bytes) {
  CodedInputStream stream = StreamOf(bytes);
  Handle handle;
  if (!stream.ReadVarint64(&handle.offset_bytes) ||
      !stream.ReadVarint64(&handle.size_bytes) ||
      handle.size_bytes > kMaxBlockBytes ||
      handle.offset_bytes > file_size_bytes ||
      handle.size_bytes + kTrailerBytes >
          file_size_bytes - handle.offset_bytes) {
    return std::nullopt;
  }
  return handle;
}

// The value of `name` in a block of entries: bytes shared with the key before
// and not shared, bytes of the value (varints), then key and value.
std::optional<std::string> FindEntry(std::string_view block,
                                     std::string_view name) {
  CodedInputStream stream = StreamOf(block);
  std::string key;
  std::string suffix;
  std::string value;
  uint32_t shared_bytes = 0;
  uint32_t suffix_bytes = 0;
  uint32_t value_bytes = 0;
  while (stream.ReadVarint32(&shared_bytes) &&
         stream.ReadVarint32(&suffix_bytes) &&
         stream.ReadVarint32(&value_bytes) && shared_bytes <= key.size() &&
         suffix_bytes <= block.size() && value_bytes <= block.size() &&
         stream.ReadString(&suffix, static_cast<int>(suffix_bytes)) &&
         stream.ReadString(&value, static_cast<int>(value_bytes))) {
    key.resize(shared_bytes);
    key += suffix;
    if (key == name) return value;
  }
  return std::nullopt;
}

// Of a block and the byte that says how it is compressed.
uint32_t BlockChecksum(std::string_view block, uint8_t compression) {
  constexpr uint32_t kLastByteFactor = 0x6B9083D9;
  return static_cast<uint32_t>(Xxh3(AsBytes(block))) ^
         (compression * kLastByteFactor);
}

// 0: the properties do not say it.
uint64_t DataBytes(std::string_view properties) {
  const auto value = FindEntry(properties, kDataSizeName);
  if (!value.has_value()) return 0;
  CodedInputStream stream = StreamOf(*value);
  uint64_t bytes = 0;
  return stream.ReadVarint64(&bytes) ? bytes : 0;
}

}  // namespace

absl::StatusOr<uint64_t> CheckTableProperties(const ReadAt& read,
                                              uint64_t file_size_bytes) {
  if (file_size_bytes < kFooterBytes) return 0;
  QSTORE_ASSIGN_OR_RETURN(const std::string footer,
                          read(file_size_bytes - kFooterBytes, kFooterBytes));
  if (footer.size() != kFooterBytes ||
      LoadAt<uint64_t>(footer, kFooterBytes - sizeof(uint64_t)) !=
          kMagicNumber ||
      LoadAt<uint32_t>(footer, kFooterBytes - sizeof(uint64_t) -
                                   sizeof(uint32_t)) > kLastVersion ||
      static_cast<uint8_t>(footer[0]) != kXxh3) {
    return 0;
  }
  const auto metaindex = ReadHandle(
      std::string_view(footer).substr(1, kHandlesBytes), file_size_bytes);
  if (!metaindex.has_value()) return 0;
  QSTORE_ASSIGN_OR_RETURN(const std::string entries,
                          read(metaindex->offset_bytes, metaindex->size_bytes));
  const auto entry = FindEntry(entries, kPropertiesName);
  if (!entry.has_value()) return 0;
  const auto properties = ReadHandle(*entry, file_size_bytes);
  if (!properties.has_value()) return 0;
  const uint64_t size_bytes = properties->size_bytes;
  QSTORE_ASSIGN_OR_RETURN(
      const std::string block,
      read(properties->offset_bytes, size_bytes + kTrailerBytes));
  if (block.size() != size_bytes + kTrailerBytes) return 0;
  const uint32_t checksum =
      BlockChecksum(std::string_view(block).substr(0, size_bytes),
                    static_cast<uint8_t>(block[size_bytes]));
  if (checksum == LoadAt<uint32_t>(block, size_bytes + 1)) {
    return DataBytes(std::string_view(block).substr(0, size_bytes));
  }
  return absl::DataLossError(
      absl::StrCat("the table's properties, ", size_bytes, " bytes at byte ",
                   properties->offset_bytes, ", do not have their checksum"));
}

}  // namespace qstore::storage
