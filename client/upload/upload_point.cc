#include "client/upload/upload_point.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "client/upload/read_ahead.h"

namespace qstore::client {
namespace {

template <typename Hash>
void AddNumber(uint64_t number, Hash* hash) {
  uint8_t bytes[sizeof(number)];
  StoreLittleEndian(number, bytes);
  hash->Update(bytes);
}

template <typename Hash>
void AddFileBegin(const SourceFile& file, Hash* hash) {
  AddNumber(file.path.size(), hash);
  hash->Update(AsBytes(file.path));
  AddNumber(file.size_bytes, hash);
}

}  // namespace

std::string UploadKey(
    const v1::UploadBegin& begin, const std::vector<SourceFile>& files,
    const std::map<std::string, v1::TensorSelection>& selections) {
  Sha256 hash;
  const std::string options = begin.SerializeAsString();
  AddNumber(options.size(), &hash);
  hash.Update(AsBytes(options));
  for (const SourceFile& file : files) {
    AddFileBegin(file, &hash);
    const auto selection = selections.find(file.path);
    if (selection == selections.end()) continue;
    AddNumber(selection->second.bits().size(), &hash);
    hash.Update(AsBytes(selection->second.bits()));
  }
  return HexEncode(hash.Finish());
}

bool IsPointOf(const std::vector<SourceFile>& files,
               const v1::UploadPoint& point) {
  if (point.file_count() > files.size()) return false;
  if (point.file_offset_bytes() == 0) return true;
  return point.file_count() < files.size() &&
         point.file_offset_bytes() < files[point.file_count()].size_bytes;
}

uint64_t BytesBefore(const std::vector<SourceFile>& files,
                     const v1::UploadPoint& point) {
  uint64_t bytes = point.file_offset_bytes();
  for (size_t i = 0; i < point.file_count(); ++i) bytes += files[i].size_bytes;
  return bytes;
}

absl::StatusOr<uint64_t> HashBefore(const std::vector<SourceFile>& files,
                                    const v1::UploadPoint& point,
                                    const Cancellation& cancellation,
                                    Events* events) {
  Xxh3Stream hash;
  ReadAhead reader(files);
  uint64_t left_bytes = BytesBefore(files, point);
  const size_t file_count =
      point.file_count() + (point.file_offset_bytes() > 0 ? 1 : 0);
  for (size_t i = 0; i < file_count; ++i) {
    AddFileBegin(files[i], &hash);
    uint64_t file_left_bytes = std::min(left_bytes, files[i].size_bytes);
    left_bytes -= file_left_bytes;
    while (file_left_bytes > 0) {
      if (cancellation.cancelled()) return absl::CancelledError("interrupted");
      QSTORE_ASSIGN_OR_RETURN(const std::optional<ReadAhead::Block> block,
                              reader.Next());
      if (!block.has_value()) {
        return absl::InternalError("the files ended before the point did");
      }
      const ByteView bytes = AsBytes(block->bytes);
      const uint64_t taken = std::min<uint64_t>(bytes.size(), file_left_bytes);
      hash.Update(bytes.first(taken));
      file_left_bytes -= taken;
      events->Add(taken);
    }
  }
  return hash.Digest();
}

}  // namespace qstore::client
