#include "storage/memory/memory_engine.h"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qstore::storage {
namespace {

using Value = std::shared_ptr<const ByteVector>;
using Table = std::map<std::string, Value, std::less<>>;
using Tables = std::array<Table, kFamilyCount>;

Value Share(ByteView bytes) {
  return std::make_shared<const ByteVector>(bytes.begin(), bytes.end());
}

uint64_t SizeBytes(const Tables& tables) {
  uint64_t size_bytes = 0;
  for (const Table& table : tables) {
    for (const auto& [key, value] : table) {
      size_bytes += key.size() + value->size();
    }
  }
  return size_bytes;
}

class MemoryEngine final : public Engine {
 public:
  absl::StatusOr<PinnedValue> Get(Family family,
                                  std::string_view key) override {
    const std::shared_lock lock(mutex_);
    const Table& table = tables_[FamilyIndex(family)];
    const auto found = table.find(key);
    if (found == table.end()) {
      return absl::NotFoundError(
          absl::StrCat(DescribeKey(family, key), ": no such key"));
    }
    ++keys_read_[FamilyIndex(family)];
    return PinnedValue(*found->second, found->second);
  }

  absl::Status Scan(Family family, std::string_view begin, std::string_view end,
                    const Visitor& visit) override {
    // The visitor may call the engine, so it must not run under the lock.
    std::vector<std::pair<std::string, Value>> found;
    {
      const std::shared_lock lock(mutex_);
      const Table& table = tables_[FamilyIndex(family)];
      for (auto it = table.lower_bound(begin);
           it != table.end() && it->first < end; ++it) {
        found.emplace_back(*it);
      }
    }
    for (const auto& [key, value] : found) {
      if (!visit(key, *value)) break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<KeyRange>> BulkKeyRanges(Family family) override {
    const std::shared_lock lock(mutex_);
    const Table& table = tables_[FamilyIndex(family)];
    std::vector<KeyRange> ranges;
    if (!table.empty()) {
      ranges.push_back({table.begin()->first, table.rbegin()->first});
    }
    return ranges;
  }

  absl::StatusOr<std::string> LastKey(Family family) override {
    const std::shared_lock lock(mutex_);
    const Table& table = tables_[FamilyIndex(family)];
    if (table.empty()) {
      return absl::NotFoundError(
          absl::StrCat(std::string(FamilyName(family)), " is empty"));
    }
    return table.rbegin()->first;
  }

  absl::Status Commit(const WriteBatch& batch) override {
    const std::unique_lock lock(mutex_);
    for (const WriteBatch::Operation& operation : batch.operations()) {
      Table& table = tables_[FamilyIndex(operation.family)];
      if (operation.kind == WriteBatch::Operation::Kind::kPut) {
        table.insert_or_assign(operation.key, Share(AsBytes(operation.value)));
      } else {
        table.erase(operation.key);
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override;

  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    const std::unique_lock lock(mutex_);
    Table& table = tables_[FamilyIndex(family)];
    if (begin < end) {
      table.erase(table.lower_bound(begin), table.lower_bound(end));
    }
    return absl::OkStatus();
  }

  EngineCounters Counters() const override {
    EngineCounters counters;
    for (int i = 0; i < kFamilyCount; ++i)
      counters.keys_read[i] = keys_read_[i];
    return counters;
  }

  uint64_t DiskBytes() const override {
    const std::shared_lock lock(mutex_);
    return SizeBytes(tables_);
  }

  void Ingest(Tables tables) {
    const std::unique_lock lock(mutex_);
    for (int i = 0; i < kFamilyCount; ++i) {
      for (auto& [key, value] : tables[i]) {
        tables_[i].insert_or_assign(key, std::move(value));
      }
    }
  }

 private:
  mutable std::shared_mutex mutex_;
  Tables tables_;  // guarded by mutex_
  std::array<std::atomic<uint64_t>, kFamilyCount> keys_read_ = {};
};

class MemoryBulkWriter final : public BulkWriter {
 public:
  explicit MemoryBulkWriter(MemoryEngine* engine) : engine_(engine) {}

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    Table& table = tables_[FamilyIndex(family)];
    if (spent_) return absl::FailedPreconditionError("writer is spent");
    if (!table.empty() && table.rbegin()->first >= key) {
      return absl::InvalidArgumentError(
          absl::StrCat(DescribeKey(family, key), " does not ascend"));
    }
    table.emplace_hint(table.end(), std::string(key), Share(value));
    size_bytes_ += key.size() + value.size();
    return absl::OkStatus();
  }

  absl::Status Ingest() override {
    if (spent_) return absl::FailedPreconditionError("writer is spent");
    spent_ = true;
    engine_->Ingest(std::move(tables_));
    return absl::OkStatus();
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  MemoryEngine* const engine_;
  Tables tables_;
  uint64_t size_bytes_ = 0;
  bool spent_ = false;
};

absl::StatusOr<std::unique_ptr<BulkWriter>> MemoryEngine::NewBulkWriter() {
  return std::make_unique<MemoryBulkWriter>(this);
}

}  // namespace

std::unique_ptr<Engine> NewMemoryEngine() {
  return std::make_unique<MemoryEngine>();
}

}  // namespace qstore::storage
