#include "storage/rocksdb/staged_table_file.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace qstore::storage {
namespace {

using rocksdb::FSRandomAccessFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// More than a value, its key and what is around them in a block.
constexpr uint64_t kEndBytes = (1u << 20) + (64u << 10);

struct Part {
  uint64_t begin = 0;
  std::string bytes;

  bool Holds(uint64_t offset_bytes, size_t size_bytes) const {
    return offset_bytes >= begin &&
           offset_bytes + size_bytes <= begin + bytes.size();
  }
};

IOStatus ReadPart(const FSRandomAccessFile& file, uint64_t begin, uint64_t end,
                  const IOOptions& options, IODebugContext* debug, Part* part) {
  part->begin = begin;
  if (begin == end) return IOStatus::OK();  // which RocksDB takes for a failure
  part->bytes.resize(end - begin);
  rocksdb::Slice found;
  IOStatus read = file.Read(begin, part->bytes.size(), options, &found,
                            part->bytes.data(), debug);
  if (!read.ok()) return read;
  if (found.data() != part->bytes.data()) {
    std::memmove(part->bytes.data(), found.data(), found.size());
  }
  part->bytes.resize(found.size());
  return IOStatus::OK();
}

class StagedTableFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  StagedTableFile(std::unique_ptr<FSRandomAccessFile> file, Part head,
                  Part tail)
      : FSRandomAccessFileOwnerWrapper(std::move(file)),
        head_(std::move(head)),
        tail_(std::move(tail)) {}

  IOStatus Read(uint64_t offset_bytes, size_t size_bytes,
                const IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) const override {
    for (const Part* part : {&head_, &tail_}) {
      if (!part->Holds(offset_bytes, size_bytes)) continue;
      std::memcpy(scratch, part->bytes.data() + (offset_bytes - part->begin),
                  size_bytes);
      *result = rocksdb::Slice(scratch, size_bytes);
      return IOStatus::OK();
    }
    return FSRandomAccessFileOwnerWrapper::Read(
        offset_bytes, size_bytes, options, result, scratch, debug);
  }

  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count,
                     const IOOptions& options, IODebugContext* debug) override {
    // Each by Read.
    // NOLINTNEXTLINE(bugprone-parent-virtual-call)
    return FSRandomAccessFile::MultiRead(requests, count, options, debug);
  }

 private:
  const Part head_;
  const Part tail_;
};

}  // namespace

IOStatus OpenStagedTable(uint64_t data_bytes, uint64_t size_bytes,
                         const IOOptions& options, IODebugContext* debug,
                         std::unique_ptr<FSRandomAccessFile>* file) {
  Part head;
  Part tail;
  const uint64_t tail_begin =
      data_bytes > kEndBytes ? data_bytes - kEndBytes : 0;
  IOStatus read =
      ReadPart(**file, 0, std::min({kEndBytes, tail_begin, size_bytes}),
               options, debug, &head);
  if (read.ok()) {
    read = ReadPart(**file, std::min(tail_begin, size_bytes), size_bytes,
                    options, debug, &tail);
  }
  if (!read.ok()) {
    file->reset();
    return read;
  }
  *file = std::make_unique<StagedTableFile>(std::move(*file), std::move(head),
                                            std::move(tail));
  return IOStatus::OK();
}

}  // namespace qstore::storage
